package downstream

import (
	"fmt"
	"log/slog"
)

// CallOnClose tells the application, by its OnClose, that a link has ended. A panic there
// would have no request to fail, and end the program: it is logged instead.
func CallOnClose[Closed any](onClose func(Closed), c Closed) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("mirage: OnClose panicked", "panic", fmt.Sprint(v))
		}
	}()
	onClose(c)
}
