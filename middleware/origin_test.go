package middleware_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// I9: the page's site is decided by Sec-Fetch-Site, otherwise by Origin, which is
// compared exactly with Host, OwnOrigins and Origins.
func TestI9Origin(t *testing.T) {
	secure := newCodec(t, cookie.Options{})
	insecure := newCodec(t, cookie.Options{Insecure: true})

	tests := map[string]struct {
		headers  []string
		host     string // example.com if empty
		tls      bool
		insecure bool
		want     bool // an identity
	}{
		"a program":    {nil, "", false, false, true},
		"same-origin":  {[]string{"Sec-Fetch-Site: same-origin"}, "", false, false, true},
		"typed":        {[]string{"Sec-Fetch-Site: none"}, "", false, false, true},
		"same-site":    {[]string{"Sec-Fetch-Site: same-site"}, "", false, false, false},
		"cross-site":   {[]string{"Sec-Fetch-Site: cross-site"}, "", false, false, false},
		"unknown site": {[]string{"Sec-Fetch-Site: same"}, "", false, false, false},
		"empty site":   {[]string{"Sec-Fetch-Site: "}, "", false, false, false},
		"two sites": {[]string{
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site",
		}, "", false, false, false},
		"cross-site with our Origin": {[]string{
			"Sec-Fetch-Site: cross-site", "Origin: https://example.com",
		}, "", false, false, false},
		"same-site, allowed": {[]string{
			"Sec-Fetch-Site: same-site", "Origin: https://app.example.com",
		}, "", false, false, true},
		"cross-site, allowed": {[]string{
			"Sec-Fetch-Site: cross-site", "Origin: https://app.example.com",
		}, "", false, false, true},
		"link from elsewhere": {[]string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document",
		}, "", false, false, true},
		"frame elsewhere": {[]string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe",
		}, "", false, false, false},
		"document, not navigated": {[]string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: document",
		}, "", false, false, false},

		"our origin":               {[]string{"Origin: https://example.com"}, "", false, false, true},
		"our origin, TLS here":     {[]string{"Origin: https://example.com"}, "", true, false, true},
		"default port in Host":     {[]string{"Origin: https://example.com"}, "example.com:443", false, false, true},
		"upper case Host":          {[]string{"Origin: https://example.com"}, "EXAMPLE.com", false, false, true},
		"another port":             {[]string{"Origin: https://example.com:8443"}, "", false, false, false},
		"port missing":             {[]string{"Origin: https://example.com"}, "example.com:8443", false, false, false},
		"port of the other scheme": {[]string{"Origin: https://example.com"}, "example.com:80", false, false, false},

		"http page of our name: downgrade": {[]string{"Origin: http://example.com"}, "", false, false, false},
		"http page, TLS here: downgrade":   {[]string{"Origin: http://example.com"}, "", true, true, false},
		"http page, plain http site":       {[]string{"Origin: http://example.com"}, "", false, true, true},
		"http page, default port": {[]string{
			"Origin: http://example.com",
		}, "example.com:80", false, true, true},

		"http://localhost":          {[]string{"Origin: http://localhost:8080"}, "localhost:8080", false, false, true},
		"http://127.0.0.1":          {[]string{"Origin: http://127.0.0.1:8080"}, "127.0.0.1:8080", false, false, true},
		"http://[::1]":              {[]string{"Origin: http://[::1]:8080"}, "[::1]:8080", false, false, true},
		"http://[::1] without port": {[]string{"Origin: http://[::1]"}, "[::1]", false, false, true},
		"http://app.localhost":      {[]string{"Origin: http://app.localhost"}, "app.localhost", false, false, true},
		"localhost.evil.com": {[]string{
			"Origin: http://localhost.evil.com",
		}, "localhost.evil.com", false, false, false},
		"another loopback port": {[]string{"Origin: http://localhost:9000"}, "localhost:8080", false, false, false},

		"null":              {[]string{"Origin: null"}, "", false, false, false},
		"empty":             {[]string{"Origin: "}, "", false, false, false},
		"suffix":            {[]string{"Origin: https://evil-example.com"}, "", false, false, false},
		"prefix":            {[]string{"Origin: https://example.com.evil.com"}, "", false, false, false},
		"sub-domain":        {[]string{"Origin: https://a.example.com"}, "", false, false, false},
		"userinfo":          {[]string{"Origin: https://example.com@evil.com"}, "", false, false, false},
		"userinfo of ours":  {[]string{"Origin: https://user@example.com"}, "", false, false, false},
		"path":              {[]string{"Origin: https://example.com/"}, "", false, false, false},
		"no scheme":         {[]string{"Origin: example.com"}, "", false, false, false},
		"another scheme":    {[]string{"Origin: ftp://example.com"}, "", false, false, false},
		"upper case scheme": {[]string{"Origin: HTTPS://example.com"}, "", false, false, false},
		"two origins": {[]string{
			"Origin: https://example.com", "Origin: https://evil.com",
		}, "", false, false, false},
		"no Host": {[]string{"Origin: https://"}, "", false, false, false},

		"allowed":                 {[]string{"Origin: https://app.example.com"}, "", false, false, true},
		"allowed, with a port":    {[]string{"Origin: http://localhost:3000"}, "", false, false, true},
		"allowed, another port":   {[]string{"Origin: http://localhost:3001"}, "", false, false, false},
		"allowed, another scheme": {[]string{"Origin: http://app.example.com"}, "", false, false, false},
		"allowed, in capitals":    {[]string{"Origin: https://APP.example.com"}, "", false, false, false},

		"app": {[]string{"Origin: capacitor://localhost"}, "", false, false, true},
		"app, cross-site": {[]string{
			"Origin: capacitor://localhost", "Sec-Fetch-Site: cross-site",
		}, "", false, false, true},
		"app, another port":           {[]string{"Origin: capacitor://localhost:80"}, "", false, false, false},
		"app, another host":           {[]string{"Origin: capacitor://localhost.evil.com"}, "", false, false, false},
		"app, in capitals":            {[]string{"Origin: Capacitor://localhost"}, "", false, false, false},
		"app, with a path":            {[]string{"Origin: capacitor://localhost/"}, "", false, false, false},
		"app of our name, not listed": {[]string{"Origin: ionic://example.com"}, "", false, false, false},
		"app of our name, plain http": {[]string{"Origin: ionic://localhost"}, "localhost", false, true, false},
		"extension": {[]string{
			"Origin: chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
		}, "", false, false, true},
		"another extension": {[]string{
			"Origin: chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllclec",
		}, "", false, false, false},
		"file": {[]string{"Origin: file://"}, "", false, false, false},

		"own origin behind a proxy": {[]string{"Origin: https://www.example.com"}, "10.0.0.7:8080", false, false, true},
		"own origin, but the browser says no": {[]string{
			"Origin: https://www.example.com", "Sec-Fetch-Site: cross-site",
		}, "10.0.0.7:8080", false, false, false},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			codec := secure
			if test.insecure {
				codec = insecure
			}
			s := newSite(t, middleware.Options{
				Codec:      codec,
				OwnOrigins: []string{"https://www.example.com"},
				Origins: []string{
					"https://app.example.com", "http://localhost:3000",
					"capacitor://localhost", "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
				},
			})

			for _, method := range []string{"GET", "POST"} {
				if method == "POST" && slices.Contains(test.headers, "Sec-Fetch-Mode: navigate") {
					continue
				}
				r := request(method, "/", test.headers...)
				if test.host != "" || name == "no Host" {
					r.Host = test.host
				}
				if test.tls {
					r.TLS = &tls.ConnectionState{}
				}

				res, v, reached := s.do(r)
				if !reached || v.ok != test.want {
					t.Fatalf("%s: reached %v, identity %v, want %v", method, reached, v.ok, test.want)
				}
				if !v.ok && (statusOf(v.refusal) != 403 || len(res.Cookies()) > 0) {
					t.Errorf("%s: Require %v, cookies %v; want 403 and none", method, v.refusal, res.Cookies())
				}

				cors := res.Header.Get("Access-Control-Allow-Origin")
				if strings.HasPrefix(name, "allowed") && test.want && cors != r.Header.Get("Origin") ||
					!v.ok && cors != "" {
					t.Errorf("Access-Control-Allow-Origin %q", cors)
				}
			}
		})
	}
}

// I9: a page of an allowed origin may read responses with credentials, including refusals
// and Retry-After. Its preflight is answered.
func TestI9CORS(t *testing.T) {
	s := newSite(t, middleware.Options{
		Origins: []string{"https://app.example.com"},
		Validate: func(*http.Request, string) (string, error) {
			return "", &middleware.Error{Status: 429}
		},
	})
	from := []string{"Sec-Fetch-Site: same-site", "Origin: https://app.example.com"}
	res, _ := s.refuse(request("POST", "/", append(from, withCookie(s.sign("ann")))...), 429)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      "https://app.example.com",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers":    "Retry-After",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(res.Header.Get("Vary"), "Origin") {
		t.Errorf("Vary %q", res.Header.Get("Vary"))
	}

	res, _, reached := s.do(request("OPTIONS", "/",
		append(from, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: mirage-link")...))
	if reached || res.StatusCode != 204 ||
		!strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Mirage-Link") ||
		res.Header.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" || len(res.Cookies()) > 0 {
		t.Errorf("preflight: reached %v, %d %v", reached, res.StatusCode, res.Header)
	}
	res, v, reached := s.do(request("OPTIONS", "/",
		"Sec-Fetch-Site: cross-site", "Origin: https://evil.com", "Access-Control-Request-Method: POST"))
	if !reached || v.ok || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign preflight: reached %v, identity %v, %v", reached, v.ok, res.Header)
	}
}

// I9: origins of apps and extensions are accepted as the platforms send them, and CORS
// headers name exactly that origin.
func TestI9AppOrigins(t *testing.T) {
	for _, origin := range []string{
		"capacitor://localhost", "ionic://localhost",
		"tauri://localhost", "http://tauri.localhost", "https://localhost",
		"app://bundle", "app://.", "app://-", "app://obsidian.md",
		"capacitor-electron://-", "com.example.app://localhost:8080",
		"chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
		"safari-web-extension://140BB581-A2C0-422A-9DD3-6982A5ABEE5E", "vscode-webview://1nocp8ov",
	} {
		s := newSite(t, middleware.Options{Origins: []string{origin}})
		from := []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: " + origin}

		res, v, _ := s.do(request("POST", "/?_mirage=~"+s.sign("ann"), from...))
		if v.ID != "ann" || v.refusal != nil || res.Header.Get("Access-Control-Allow-Origin") != origin ||
			res.Header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: id %q, %v, %v", origin, v.ID, v.refusal, res.Header)
		}

		res, _, reached := s.do(request("OPTIONS", "/", append(from, "Access-Control-Request-Method: GET")...))
		if reached || res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: preflight reached %v, %d, %v", origin, reached, res.StatusCode, res.Header)
		}

		_, v, _ = s.do(request("POST", "/", "Origin: "+origin+"x", withCookie(s.sign("ann"))))
		if v.ok || statusOf(v.refusal) != 403 {
			t.Errorf("%sx: identity %v, %v", origin, v.ok, v.refusal)
		}
	}
}

// I9: a host name that an attacker points at us (DNS rebinding) is another origin with
// its own cookies: its page can only get a new id.
func TestI9Rebinding(t *testing.T) {
	s := newSite(t, middleware.Options{})
	r := request("GET", "/", "Sec-Fetch-Site: same-origin", "Origin: https://evil.com")
	r.Host = "evil.com"
	if _, id := s.admit(r); len(id.ID) != 16 {
		t.Errorf("id %q", id.ID)
	}
}

// I9: HEAD and OPTIONS run no hook, set no cookie, and have no identity.
func TestI9HeadOptions(t *testing.T) {
	hooks := 0
	s := newSite(t, middleware.Options{
		Generate: func(*http.Request) (string, error) { hooks++; return "new", nil },
		Validate: func(*http.Request, string) (string, error) { hooks++; return "", nil },
	})
	for _, method := range []string{"HEAD", "OPTIONS"} {
		for _, h := range []string{"X-Nothing: 1", withCookie(s.sign("ann"))} {
			res, v, reached := s.do(request(method, "/?_mirage=~"+s.sign("bob"), h))
			if !reached || v.ok || statusOf(v.refusal) != 405 || hooks != 0 || len(res.Cookies()) != 0 {
				t.Errorf("%s: reached %v, identity %v, %v, %d hooks, %v",
					method, reached, v.ok, v.refusal, hooks, res.Cookies())
			}
		}
	}
}

// Invalid options panic at the start, and the text says what to do.
func TestNewPanics(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	with := func(f func(*middleware.Options)) middleware.Options {
		o := middleware.Options{Codec: codec}
		f(&o)
		return o
	}
	origins := func(s string) middleware.Options {
		return with(func(o *middleware.Options) { o.Origins = []string{s} })
	}
	own := func(s string) middleware.Options {
		return with(func(o *middleware.Options) { o.OwnOrigins = []string{s} })
	}

	for name, test := range map[string]struct {
		options middleware.Options
		want    string
	}{
		"no codec":       {middleware.Options{}, "cookie.New"},
		"unsigned":       {with(func(o *middleware.Options) { o.AcceptUnsigned = true }), "needs Options.Validate"},
		"timeout":        {with(func(o *middleware.Options) { o.Timeout = -1 }), "0 for 5s"},
		"hooks":          {with(func(o *middleware.Options) { o.MaxHooks = -1 }), "0 for 64"},
		"short ids":      {with(func(o *middleware.Options) { o.IDBytes = 4 }), "8 to 64"},
		"long ids":       {with(func(o *middleware.Options) { o.IDBytes = 65 }), "8 to 64"},
		"own origin":     {own("example.com"), "OwnOrigins has example.com"},
		"star":           {origins("*"), "no wildcard"},
		"wildcard":       {origins("https://*.example.com"), "no wildcard"},
		"null":           {origins("null"), "of any site send Origin: null"},
		"files":          {origins("file://"), "a scheme of your app's own"},
		"a file":         {origins("file:///app/index.html"), "Origins has file:///app/index.html"},
		"own app":        {own("capacitor://localhost"), "OwnOrigins has capacitor"},
		"app's path":     {origins("capacitor://localhost/"), "no path"},
		"app's capitals": {origins("Capacitor://localhost"), "lower case"},
		"app's wildcard": {origins("chrome-extension://*"), "no wildcard"},
		"app's user":     {origins("app://me@bundle"), "Origins has"},
		"app's port":     {origins("app://bundle:"), "no default port"},
		"app's zeros":    {origins("app://bundle:080"), "Origins has"},
		"app's nothing":  {origins("capacitor://"), "or, for an app's own scheme, capacitor://localhost"},
		"app's space":    {origins("app://bun dle"), "Origins has"},
		"app's line":     {origins("app://bundle\n"), "Origins has"},
		"scheme alone":   {origins("capacitor:"), "Origins has"},
		"two in one":     {origins("capacitor://localhost ionic://localhost"), "Origins has"},
		"a WebSocket's":  {origins("wss://example.com"), "write it like https://app.example.com"},
		"a blob":         {origins("blob://example.com"), "Origins has"},
		"path":           {origins("https://example.com/"), "no path"},
		"default port":   {origins("https://example.com:443"), "no default port"},
		"empty port":     {origins("https://example.com:"), "no default port"},
		"capitals":       {origins("https://Example.com"), "lower case"},
		"userinfo":       {origins("https://me@example.com"), "Origins has"},
		"another scheme": {origins("ftp://example.com"), "Origins has"},
		"without scheme": {origins("example.com"), "Origins has"},
		"without a host": {origins("https://:8080"), "Origins has"},
		"not an URL":     {origins("https://exa mple.com"), "Origins has"},
		"nothing":        {origins(""), "Origins has"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, test.want) {
					t.Errorf("panic %q, want %q", got, test.want)
				}
			}()
			middleware.New(test.options)
		})
	}
}

// tryNew calls New and returns the text of its panic.
func tryNew(o middleware.Options) (with func(http.Handler) http.Handler, err string) {
	defer func() { err, _ = recover().(string) }()
	return middleware.New(o).Guard, ""
}

// I9: for any Origin and any valid Origins, only a listed origin gets CORS headers, which
// name exactly that origin, and only a listed origin or our own gets an identity.
func FuzzOrigin(f *testing.F) {
	for _, o := range []string{
		"https://example.com", "http://example.com", "null", "https://example.com:443", "https://app.example.com",
		"://", "https://", "http://localhost:3000", "capacitor://localhost", "Capacitor://localhost",
		"chrome-extension://*", "app://-", "file://", "app://bundle:80",
	} {
		f.Add(o, "example.com", "", "https://app.example.com")
		f.Add(o, "example.com", "cross-site", o)
	}

	codec := newCodec(f, cookie.Options{})
	f.Fuzz(func(t *testing.T, origin, host, site, listed string) {
		with, err := tryNew(middleware.Options{Codec: codec, Origins: []string{listed}})
		if err != "" {
			if !strings.Contains(err, "Origins has "+listed) {
				t.Errorf("Origins %q: panic %q", listed, err)
			}
			return
		}

		scheme, name, found := strings.Cut(listed, "://")
		if !found || name == "" || strings.ContainsAny(listed, "*?#@ \t\r\n\\") || strings.Contains(name, "/") ||
			scheme == "file" || scheme != strings.ToLower(scheme) {
			t.Errorf("Origins %q was taken", listed)
		}

		ok := false
		h := with(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, ok = middleware.FromContext(r.Context())
		}))
		r, w := httptest.NewRequest("POST", "/", nil), httptest.NewRecorder()
		r.Host = host
		r.Header.Set("Origin", origin)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}

		h.ServeHTTP(w, r)
		allowed := w.Header().Get("Access-Control-Allow-Origin")
		if allowed != "" && (allowed != listed || origin != listed) {
			t.Errorf("Origin %q, Origins %q: allowed %q", origin, listed, allowed)
		}
		if !ok {
			return
		}

		// Let in: by Sec-Fetch-Site, by the list, or because the origin is that of the
		// host, which then contains it.
		scheme, name, _ = strings.Cut(origin, "://")
		same := name != "" && (scheme == "http" || scheme == "https") &&
			strings.HasPrefix(strings.ToLower(host), strings.ToLower(name))
		if site != "same-origin" && site != "none" && origin != listed && !(site == "" && same) {
			t.Errorf("Origin %q at %q with Sec-Fetch-Site %q, Origins %q was let in", origin, host, site, listed)
		}
	})
}
