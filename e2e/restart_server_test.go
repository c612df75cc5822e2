package e2e

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/mirage-go/mirage"
)

// With these, the test binary is the server that TestS5RestartPage restarts.
const restartDir, restartAddr = "MIRAGE_E2E_DIR", "MIRAGE_E2E_ADDR"

// serveRestarts serves an application until SIGTERM. It sends each message back, negative
// if it may be a repeat, and sends down what is pushed.
func serveRestarts(dir, addr string) error {
	live, err := mirage.Open(mirage.Options{
		Dir: dir, Insecure: true, Rate: -1, Logger: slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			back := mirage.Message{Event: "back", Data: in.Data}
			if in.Again {
				back.Data = append([]byte("-"), in.Data...)
			}
			_, err := s.Send(ctx, back)
			return err
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/live/", live)
	mux.Handle("/live", live)
	mux.Handle("/", clientPages)
	mux.HandleFunc("/push", func(w http.ResponseWriter, r *http.Request) {
		down := mirage.Message{Event: "down", Data: []byte(r.FormValue("n"))}
		if _, err := live.Send(r.Context(), r.FormValue("id"), down); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})

	l, err := listen(addr)
	if err != nil {
		return err
	}
	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	_, _ = os.Stdout.WriteString("ready\n")

	<-terminated.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(live.Shutdown(ctx), server.Shutdown(ctx))
}

// listen is the recipe of docs/operations.md.
func listen(addr string) (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", addr)
	}
	socket := os.NewFile(3, "socket")
	defer socket.Close()
	return net.FileListener(socket)
}

// start starts a process. Like systemd, it passes the socket on as descriptor 3.
func (r *restarts) start() *process {
	r.t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0]), ready: make(chan error, 1)}
	if r.socket != nil {
		p.Cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0"`, os.Args[0])
		p.ExtraFiles = []*os.File{r.socket}
	}
	p.Env = append(os.Environ(), restartDir+"="+r.dir, restartAddr+"="+r.addr)
	p.Stderr = r.t.Output()
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	go func() {
		_, err := bufio.NewReader(out).ReadString('\n')
		p.ready <- err
	}()
	return p
}

type process struct {
	*exec.Cmd
	ready chan error
}

func (r *restarts) ready(p *process) {
	r.t.Helper()
	if err := <-p.ready; err != nil {
		r.t.Fatal("the process did not start: ", err)
	}
}

func (r *restarts) terminate(p *process) {
	r.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
}

func (r *restarts) ended(p *process) {
	r.t.Helper()
	if err := p.Wait(); err != nil {
		r.t.Error("the old process: ", err)
	}
}
