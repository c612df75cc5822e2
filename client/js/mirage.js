// Code generated from src/ by "go generate ./client/js". DO NOT EDIT.
//
// mirage.js: the browser client of Mirage, sessions that survive the network. src/ has
// the comments, docs/client.md is the manual.

// src/index.js
var STOP = [204, 403, 410, 400, 413, 415];
var UNFIT = STOP.slice(3);
var READY = { open: 1, closing: 2, closed: 3 };
var sleep = (ms, wake) => new Promise((done) => {
  setTimeout(done, ms);
  wake?.(done);
});
var failure = (message, status, more) => Object.assign(new Error(message), { status }, more);
var toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
var mark = (position) => position.split(/[-.]/);
function decode(data, encoded) {
  if (!encoded || data == null) return data;
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt());
  return encoded > 1 ? bytes.buffer : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
function parser(take) {
  const decoder = new TextDecoder();
  let rest = "", block = {}, cr;
  return (piece) => {
    let chunk = piece.big ? piece : decoder.decode(piece, { stream: true });
    if (!chunk) return;
    if (cr && chunk[0] === "\n") chunk = chunk.slice(1);
    cr = chunk.endsWith("\r");
    const lines = chunk.split(/\r\n?|\n/);
    lines[0] = rest + lines[0];
    rest = lines.pop();
    for (const line of lines) {
      if (line) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "data" && field in block) block.data += "\n" + value;
        else if (field !== "id" || !value.includes("\0")) block[field] = value;
        continue;
      }
      const { id, event, data, encoding, type } = block;
      block = {};
      if (data != null && encoding != null && encoding !== "base64") throw failure("encoding");
      if ((id ?? data) != null) {
        take({ id, event: event || "message", data: decode(data, encoding && (type === "binary" ? 2 : 1)) });
      }
    }
  };
}
async function check(answer) {
  const { status, headers } = answer;
  if (status === 200) return answer;
  const { detail, expected } = await answer.json().catch(() => 0) || {};
  throw failure(detail || "status " + status, status, { expected, retry: 1e3 * headers.get("Retry-After") });
}
function scriptDirectory() {
  const script = import.meta.url;
  if (/^https?:[^?#]*\/mirage(\.min)?\.js([?#]|$)/.test(script)) return new URL(".", script);
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL where your server has Mirage. Only a mirage.js that the browser loaded from that server knows it by itself; a bundle or a file does not.");
}
var isEventStream = (answer) => answer.status === 200 && /^text\/event-stream\b/.test(answer.headers.get("Content-Type"));
var Mirage = class extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  state = "connecting";
  // then open, reconnecting, paused, closing, closed
  transport = "";
  bufferedAmount = 0;
  get readyState() {
    return READY[this.state] || 0;
  }
  constructor(url, options) {
    super();
    if (url && typeof url === "object" && !("href" in url)) [url, options] = [null, url];
    options ||= {};
    const self = this;
    const { document, location, origin } = globalThis;
    const {
      mirage,
      name,
      signal,
      credentials,
      timeout = 5e3,
      head = 1500,
      upgrade = 3e5,
      messages: most = 256,
      bytes: room = 1 << 20,
      start: begin = true,
      fetch: ask,
      WebSocket: Socket
    } = options;
    const base = new URL(url ?? scriptDirectory(), document?.baseURI ?? location?.href);
    const cid = crypto.getRandomValues(new Uint32Array(4)).join("_");
    const key = "mirage:" + (name || base.href.replace(/^([^?#]*)\/(?=[?#]|$)/, "$1"));
    const end = new AbortController();
    const links = /* @__PURE__ */ new Set();
    let live;
    let opened;
    let wanted;
    let hidden = document?.prerendering;
    let looping;
    let failures = 0;
    let wake;
    let probe;
    let mute;
    let strikes = 0;
    let best;
    let turn = 0;
    let count = 0;
    let max = 100;
    let posting;
    let post = new AbortController();
    let hurry;
    let due;
    let unacked = 0;
    let later;
    const taps = /* @__PURE__ */ new Set();
    let storage, kept = {};
    try {
      ({ storage = document && sessionStorage } = options);
      kept = JSON.parse(storage.getItem(key)) || kept;
    } catch {
    }
    let queue = [];
    const bad = kept.bad || {};
    let repeats = kept.again || 0;
    let signed = mirage || kept.signed || (mirage ?? (base.origin === origin ? void 0 : ""));
    const tell = (type, more) => self.dispatchEvent(Object.assign(new Event(type), more));
    const change = (value, what = "state") => {
      const previous = self[what];
      self[what] = value;
      if (previous !== value) tell("mirage-" + what, { [what]: value, previous });
    };
    const save = (clean) => {
      try {
        const { id, position } = self;
        storage.setItem(key, JSON.stringify({ id, position, signed, queue, bad, again: live && !clean ? -1 : repeats }));
      } catch {
      }
    };
    const keep = (messages) => {
      queue = messages;
      self.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0);
    };
    const outside = ({ e, d, x }) => ({ event: e || "message", data: decode(d, x) });
    const put = (e, data) => {
      const { buffer = data, byteOffset, byteLength } = data;
      let x = byteLength >= 0 ? 2 : 0;
      let d = x ? toBase64(new Uint8Array(buffer, byteOffset, byteLength)) : "" + data;
      if (/[\r\0]/.test(d) || d.split("\n").length > 999) d = toBase64(new TextEncoder(x = 1).encode(d));
      if (/[\0-\x1f]/.test(e)) throw failure("not a name", 400);
      if (self.readyState > 1) throw failure("closed", 410);
      if (queue.length >= most || self.bufferedAmount + d.length > room) throw failure("the queue is full", 429);
      const m = { w: cid, n: ++count, e, d, x };
      queue.push(m);
      self.bufferedAmount += d.length;
      if (hidden) save();
      soon();
      pump();
      return m;
    };
    const soon = () => {
      later ||= setTimeout(() => {
        later = 0;
        save();
        if (unacked) flush();
      }, 500);
    };
    const flush = () => {
      due = unacked;
      pump();
    };
    const giveUp = (messages, error) => {
      if (!messages[0]) return;
      keep(queue.filter((m) => !messages.includes(m)));
      for (const m of messages) m.no?.(error);
      tell("mirage-returned", { id: self.id, error, messages: messages.map(outside) });
    };
    const accept = (writer, n) => {
      const { length } = queue;
      keep(queue.filter((m) => !(m.w === writer && m.n <= n) || m.ok?.()));
      return length - queue.length;
    };
    const next = (leaving) => {
      const { w = cid, n = count + 1, a } = queue[0] || {};
      let size = 0, full;
      const batch = queue.filter((m, i) => !(full ||= i >= max || m.w !== w || m.a !== a || (size += m.d.length) > 16384 && i));
      let body = `event: mirage-up
data: ${JSON.stringify({ writer: w, base: n, ack: self.position, again: !!a, leaving })}

`;
      for (const m of batch) {
        m.t = 1;
        const { n: n2, e, d, x } = m;
        body += `${e && `event: ${e}
`}${x ? "encoding: base64\n" : ""}${x > 1 ? "type: binary\n" : ""}data: ${d.replaceAll("\n", "\ndata: ")}
id: ${n2}

`;
      }
      due = unacked = 0;
      save();
      return { batch, w, body };
    };
    const submit = async (token, body, signal2) => {
      const answer = await check(await request("POST", token, { body, signal: signal2 }));
      if (isEventStream(answer)) {
        answer.body.cancel().catch(() => 0);
        throw failure("redirected");
      }
      const result = await answer.json();
      if (result.accepted >= 0) adopt(answer);
      return result;
    };
    const say = async (link, body, signal2, wait) => {
      const { socket: socket2, token } = link;
      if (!socket2) return submit(token, body, signal2);
      socket2.readyState > 1 || socket2.send(body);
      return wait && new Promise((ok, no) => {
        link.answer = (answer) => answer.status === 200 ? ok(answer) : no(failure(answer.detail, answer.status, answer));
        signal2.onabort = no;
      });
    };
    const pump = async () => {
      if (posting) return;
      posting = true;
      for (let tries = 0; live && (queue[0] || due); ) {
        const { token } = live;
        const { batch, w, body } = next();
        const ctl = post = new AbortController();
        const timer = setTimeout(() => ctl.abort(), 15e3);
        try {
          const { accepted, failed = [] } = await say(live, body, ctl.signal, batch[0]) || 0;
          giveUp(batch.filter((m) => failed.includes(m.n)), failure("the handler failed", 500));
          if (!accept(w, accepted) && queue.includes(batch[0])) throw failure("not accepted");
          tries = 0;
          if (max < 100) max++;
        } catch (error) {
          const { status, expected } = error;
          if (!batch[0]) due = 1;
          if (UNFIT.includes(status) && batch[0]) {
            max = batch.length + 1 >> 1;
            if (!batch[1]) giveUp(batch, error);
          } else if (STOP.includes(status) && status !== 400) {
            finish(4e3 + status, error.message);
          } else if (live?.token === token && !accept(w, expected - 1)) {
            if (status === 401 || ctl.signal.aborted) over(live, error);
            else await sleep(rest(error, ++tries), (done) => {
              hurry = done;
            });
          }
        }
        clearTimeout(timer);
      }
      posting = false;
    };
    const address = (query) => {
      const url2 = new URL(base);
      query = { ...query, _cid: cid, _mirage: signed };
      for (const k in query) if (query[k] != null) url2.searchParams.set(k, query[k]);
      return url2.href;
    };
    const lastID = () => opened && !signed ? self.id : null;
    const request = async (method, token, init, query) => {
      const headers = { Accept: "text/event-stream" };
      if (init.body) headers["Content-Type"] = headers.Accept;
      if (token) headers["Mirage-Link"] = token;
      const answer = await (ask || fetch)(address(query), {
        method,
        headers,
        credentials,
        cache: "no-store",
        referrerPolicy: "same-origin",
        // over plain http only the Referer shows which site's page asks
        ...init
      });
      if (isEventStream(answer)) adopt(answer);
      return answer;
    };
    const adopt = ({ redirected, url: url2 }) => {
      const { origin: origin2, pathname } = redirected ? new URL(url2) : base;
      if (origin2 === base.origin) base.pathname = pathname;
    };
    const loop = async (wait) => {
      if (looping) return wake?.();
      looping = true;
      for (; ; ) {
        if (wait) await sleep(wait, (done) => {
          wake = done;
        });
        wake = wait = null;
        if (!wanted || hidden || live) break;
        const error = await round(order());
        if (!error || !wanted || hidden || live) continue;
        wait = complain(error, ++failures);
      }
      looping = false;
    };
    const rest = (error, tries) => error.retry || Math.random() * Math.min(2e4, 500 * 2 ** tries);
    const complain = (error, attempt) => {
      const delay = rest(error, attempt);
      if (opened) change("reconnecting");
      tell("error", { error, attempt, delay });
      return delay;
    };
    const order = (all) => {
      const rank = (name2) => name2 === best ? -1 : !all && (bad[name2] > Date.now() || name2 === mute);
      return [...transports].sort((a, b) => rank(a) - rank(b));
    };
    const round = async (names) => {
      const tried = [];
      let won, why;
      for (const name2 of names) {
        const link = start(name2);
        tried.push(link);
        const done = link.hello.then(() => {
          won = name2;
        }, (error) => {
          why = error;
        });
        await Promise.race([done, sleep(head)]);
        if (won || !wanted || hidden || why?.status && why.status !== 501) break;
      }
      await Promise.any(tried.map((link) => link.hello)).catch(() => 0);
      if (!won || !live) return why;
      const failed = tried.slice(0, names.indexOf(won));
      const astray = failed.find(({ name: name2, path }) => name2 === "websocket" && path !== base.pathname);
      markBad([mute, ...failed.filter((link) => link !== astray).map((link) => link.name)]);
      mute = 0;
      delete bad[won];
      if (astray) round([astray.name]).then((error) => {
        if (error && live) markBad([astray.name]);
      });
    };
    const markBad = (names) => {
      for (const name2 of names) if (name2) bad[name2] = Date.now() + 18e5;
    };
    const start = (name2) => {
      const link = { name: name2, turn, path: base.pathname, ctl: new AbortController() };
      link.hello = new Promise((ok, no) => Object.assign(link, { ok, no }));
      links.add(link);
      carriers[name2](link).catch((error) => error).then((error) => over(link, link.ctl.signal.reason || error || failure("ended")));
      return link;
    };
    const hear = (link, feed, piece) => {
      link.heard = Date.now();
      if (link.token && link.name !== "poll") {
        link.speaks = 1;
        watch(link, link.beat && 2 * link.beat + 5e3);
      }
      feed(piece);
    };
    const socket = (link) => new Promise((_, no) => {
      watch(link, timeout);
      const query = { _pos: link.from = self.position, _was: lastID() };
      const socket2 = new (Socket || WebSocket)(address(query).replace("http", "ws"));
      const feed = parser((block) => take(link, block));
      link.socket = socket2;
      link.ctl.signal.onabort = () => no(socket2.close());
      socket2.onmessage = ({ data }) => {
        try {
          hear(link, feed, data);
        } catch (error) {
          no(error);
        }
      };
      socket2.onclose = ({ code, reason }) => {
        const [text, retry] = reason.split(/; retry in (\d+) s$/);
        no(failure(text || "closed " + code, Math.max(0, code - 4e3), { retry: 1e3 * retry }));
      };
    });
    const answers = async (link) => {
      const poll = link.name === "poll";
      do {
        watch(link, link.token ? 35e3 : timeout);
        save();
        const query = { _pos: link.from = self.position, _was: lastID(), _wait: poll ? 25 : null };
        const { body } = await check(await request("GET", link.token, { signal: link.ctl.signal }, query));
        const reader = body.getReader();
        const feed = parser((block) => take(link, block));
        for (let read; !(read = await reader.read()).done; ) hear(link, feed, read.value);
      } while (poll && link.token && link.drain == null);
    };
    const carriers = { websocket: socket, sse: answers, poll: answers };
    const transports = (options.transports || Object.keys(carriers)).filter((name2) => carriers[name2]);
    const watch = (link, ms) => {
      clearTimeout(link.timer);
      if (ms) link.timer = setTimeout(() => {
        link.late = 1;
        link.ctl.abort(failure("silence"));
      }, ms);
    };
    const over = (link, error) => {
      clearTimeout(link.timer);
      links.delete(link);
      link.ctl.abort();
      link.no(error);
      if (STOP.includes(error.status)) return finish(4e3 + error.status, error.message);
      if (link !== live) return;
      strikes = Date.now() - link.born < 1e4 && link.drain == null && Math.min(3, strikes + 1);
      if (strikes > 1 || link.late && !link.speaks) mute = link.name;
      forget();
      if (wanted && !hidden) loop(link.drain ?? (strikes > 2 ? complain : rest)(error, strikes));
    };
    const forget = () => {
      live = 0;
      post.abort();
      clearInterval(probe);
    };
    const drop = () => {
      for (const link of links) link.ctl.abort();
      forget();
      wake?.();
    };
    const leave = () => {
      if (live && (queue[0] || unacked || live.name === "poll")) {
        let { body } = next(true);
        if (new Blob([body]).size > 65e3) body = body.split("\n\n", 1) + "\n\n";
        request("POST", live.token, { body, keepalive: true }).catch(() => 0);
      }
      save(1);
      drop();
    };
    const show = () => {
      hidden = false;
      if (wanted) self.connect();
    };
    const refresh = (gently) => {
      if (!live) wake?.();
      else if (!gently || Date.now() - live.heard > 1.2 * (live.beat || 15e3) + 2e3) round(order(1));
    };
    const finish = (code, reason, wasClean = false) => {
      if (self.state === "closed") return;
      wanted = false;
      drop();
      clearTimeout(later);
      end.abort();
      change("closed");
      giveUp(queue, failure(reason || "closed", code));
      try {
        storage.removeItem(key);
      } catch {
      }
      storage = 0;
      for (const tap of taps) tap();
      tell("close", { code, reason, wasClean });
    };
    const take = (link, { id, event, data }) => {
      const about = event.startsWith("mirage") && JSON.parse(data);
      if (event === "mirage") return greet(link, about, id);
      if (link !== live) return;
      if (event === "mirage-ack") {
        return about.status ? link.answer?.(about) : posting || accept(cid, about.accepted);
      }
      if (event === "mirage-drain") {
        link.drain = about.retry;
        return tell(event, about);
      }
      if (event === "mirage-end") throw failure(about.reason, about.status);
      if (id == null) return;
      const [epoch, seq] = mark(self.position), [other, n] = mark(id);
      if (other !== epoch) throw failure("epoch");
      if (n - seq <= 0) return;
      if (event === "mirage-gap") tell(event, { ...about, from: Math.max(about.from, +seq + 1) });
      else if (n - seq > 1) throw failure("hole");
      else if (!about && data != null) {
        const e = Object.assign(new MessageEvent(event, { data, lastEventId: id }), { again: n <= repeats });
        self.dispatchEvent(e);
        for (const tap of taps) tap(e);
      }
      self.position = id;
      if (link.name === "poll") return;
      if (++unacked >= 16 || document?.hidden) flush();
      else soon();
    };
    const greet = (link, hello, position) => {
      const { id, reason } = hello;
      const [epoch, seq] = mark(self.position), [now, n] = mark(position);
      const old = epoch === now && link.from.indexOf(epoch);
      const resumed = old || hello.resumed;
      const lost = !old && reason !== "trimmed" && hello.lost;
      const known = self.id, was = self.mirage, first = !opened;
      if (known && known !== id && known !== hello.previous) {
        giveUp(queue, failure("the id has changed", 409));
      }
      if (!resumed) for (const m of queue) m.a = m.t;
      repeats = epoch === now && (repeats < 0 ? hello.sent : repeats);
      if (lost || epoch !== now || n - seq > 0) self.position = position;
      self.id = id;
      if (signed != null) signed = hello.mirage || signed;
      self.mirage = signed ?? id;
      link.token = hello.link;
      link.beat = hello.heartbeat;
      link.born = Date.now();
      if (live !== link) {
        post.abort();
        for (const l of links) if (l !== link && l.turn <= link.turn) l.ctl.abort(failure("replaced"));
      }
      live = link;
      failures = 0;
      opened = 1;
      link.ok();
      clearInterval(probe);
      const [better] = order(1);
      if (better !== link.name && upgrade) probe = setInterval(() => round([better]), upgrade);
      if (link.name !== "poll") {
        watch(link, link.beat && 3e3);
        due = 1;
      }
      accept(cid, hello.accepted);
      save();
      change(link.name, "transport");
      if (wanted) change("open");
      if (first) tell("open");
      if (first || !resumed || known !== id || was !== self.mirage) {
        tell("mirage", { ...hello, link: void 0, mirage: self.mirage, known });
      }
      if (lost) tell("mirage-gap", { ...lost, reason });
      hurry?.();
      pump();
    };
    Object.assign(self, {
      url: base.href,
      transports,
      id: kept.id || "",
      // the visitor's id, once a hello has said it
      mirage: signed ?? (kept.id || ""),
      // the same, or the signed value if it was asked for
      position: kept.position || "",
      // up to where everything was delivered: the server's text, presented unchanged
      /** queued returns the messages that are not accepted yet. */
      queued: () => queue.map(outside),
      /**
       * send enqueues an unnamed message, text or bytes, which is delivered once. It
       * throws if the queue is full.
       */
      send(data) {
        put("", data);
      },
      /**
       * emit enqueues a named message in JSON. The promise resolves when the server has
       * accepted it.
       */
      emit(event, data = null) {
        const promise = new Promise((ok, no) => Object.assign(put("" + event, JSON.stringify(data)), { ok, no }));
        promise.catch(() => 0);
        return promise;
      },
      /**
       * on calls listener with the payload of each event: its data, parsed if the event
       * has a name. It returns the function that removes the listener.
       */
      on(type, listener, more) {
        const call = (e) => {
          const { data } = e;
          listener(data == null ? e.mirage ?? e : type === "message" || data instanceof ArrayBuffer ? data : JSON.parse(data), e);
        };
        self.addEventListener(type, call, more);
        return () => self.removeEventListener(type, call, more);
      },
      /** subscribe calls fn now and at every change of state, as Svelte's stores do. */
      subscribe(fn) {
        fn(self);
        const stops = ["state", "transport"].map((what) => self.on("mirage-" + what, () => fn(self)));
        return () => stops.map((stop) => stop());
      },
      async *[Symbol.asyncIterator]() {
        const waiting = [];
        let ring;
        const tap = (e) => {
          if (e) waiting.push(e);
          ring?.();
        };
        taps.add(tap);
        try {
          while (waiting[0] || self.state !== "closed") {
            if (waiting.length > 1e3) throw failure("too slow");
            if (waiting[0]) yield waiting.shift();
            else await new Promise((done) => {
              ring = done;
            });
          }
        } finally {
          taps.delete(tap);
        }
      },
      /**
       * use moves to another transport without a break. The promise resolves when that is
       * in use. Without a name the client chooses again.
       */
      async use(transport) {
        if (transport && !carriers[transport]) throw failure("no such transport");
        const before = best;
        best = transport;
        turn++;
        if (!wanted || hidden) return;
        const why = await round(transport ? [transport] : order(1));
        if (!why) return;
        if (best === transport) best = before;
        throw why;
      },
      connect() {
        if (self.readyState > 1) return;
        wanted = true;
        if (!live) change(opened ? "reconnecting" : "connecting");
        loop();
      },
      /** disconnect ends the link and keeps the session. */
      disconnect() {
        if (self.readyState > 1) return;
        wanted = false;
        leave();
        change("paused");
      },
      /** close sends what waits, for at most timeout, ends the session and forgets it. */
      async close(code = 1e3, reason = "") {
        if (self.readyState > 1) return;
        wanted = false;
        change("closing");
        for (const until = performance.now() + timeout; live && queue[0] && performance.now() < until; ) await sleep(20);
        if (live) request("DELETE", live.token, { keepalive: true }).catch(() => 0);
        finish(code, reason, true);
      }
    });
    if (!transports[0]) throw failure("no such transport");
    keep(kept.queue || []);
    for (const type of ["open", "message", "mirage", "error", "close"]) {
      self.addEventListener(type, (e) => self["on" + type]?.(e));
    }
    const listen = (target, events) => {
      for (const type in events) target?.addEventListener?.(type, events[type], { signal: end.signal });
    };
    listen(signal, { abort: () => self.close() });
    listen(globalThis, {
      online: () => refresh(),
      pagehide: (e) => {
        hidden = true;
        leave();
        if (e.persisted) change("paused");
      },
      pageshow: (e) => e.persisted && show()
    });
    listen(document, {
      visibilitychange: () => {
        if (!document.hidden) return refresh(1);
        save();
        flush();
      },
      resume: () => refresh(),
      prerenderingchange: show
    });
    if (signal?.aborted) self.close();
    else if (begin) self.connect();
  }
};
var index_default = Mirage;
export {
  Mirage,
  index_default as default,
  parser
};
