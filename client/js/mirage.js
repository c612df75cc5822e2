// Code generated from src/ by "go generate ./client/js". DO NOT EDIT.
//
// mirage.js: the browser client of Mirage, sessions that survive the network. src/ has
// the comments, docs/client.md is the manual.

// src/errors.js
var REFUSED = [204, 400, 403, 410];
var IMPOSSIBLE = [405, 413, 415];
var HOUR = 3600;
function failure(message, status, ours = true) {
  const mine = ours && REFUSED.includes(status);
  return Object.assign(new Error(message), {
    status,
    final: mine || IMPOSSIBLE.includes(status),
    unfit: status === 413 || ours && [400, 415].includes(status),
    other: [426, 501].includes(status),
    foreign: !ours && status < 500
  });
}
var delayOf = (seconds) => seconds > 0 ? 1e3 * Math.min(HOUR, seconds) : void 0;
var typeOf = ({ headers }) => headers.get("Content-Type") || "nothing";
var isEventStream = (answer) => answer.status === 200 && typeOf(answer).startsWith("text/event-stream");
async function check(answer, url) {
  const { status, headers } = answer;
  if (status === 200) return answer;
  const ours = typeOf(answer).startsWith("application/problem+json");
  const { detail, expected } = ours && await answer.json().catch(() => 0) || {};
  const error = failure(detail || `status ${status}${ours ? "" : " from " + url}`, status, ours);
  throw Object.assign(error, { expected, retry: delayOf(headers.get("Retry-After")) });
}
function discard(answer) {
  answer.body?.cancel?.().catch(() => 0);
}
function foreign(answer, url) {
  discard(answer);
  return failure(`${url} answered with ${typeOf(answer)}, so that is not Mirage`);
}

// src/address.js
function scriptDirectory() {
  const script = import.meta.url;
  if (/^https?:[^?#]*\/mirage(\.min|\.dev)?\.js([?#]|$)/.test(script)) return new URL(".", script);
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL where your server has Mirage. Only a mirage.js that the browser loaded from that server knows it by itself.");
}
var ask = (value) => typeof value === "function" ? value() : value;
var Address = class {
  cid = crypto.getRandomValues(new Uint32Array(4)).join("_");
  // 128 random bits in characters of base64url
  extra;
  // what the application adds to the query
  constructor(url, options) {
    const { document: document2, location, origin } = globalThis;
    const page = document2?.baseURI ?? location?.href;
    url ??= scriptDirectory();
    this.options = options;
    this.base = page || /^[a-z]+:/i.test(url) ? new URL(url, page) : void 0;
    this.url = "" + (this.base || url);
    this.signed = this.base?.origin === origin ? void 0 : "";
  }
  /** identify takes the signed id from the options or from an earlier page. */
  identify(kept) {
    const { mirage = this.signed } = this.options;
    this.signed = typeof mirage === "function" ? "" : mirage || kept || mirage;
  }
  /** renew asks the application for values that may expire. It is called before each link. */
  async renew() {
    const { mirage, query } = this.options;
    this.extra = await ask(query);
    if (typeof mirage === "function") this.signed = await mirage() ?? this.signed;
  }
  /** to returns the URL of a request. */
  to(query) {
    const url = new URL(this.base);
    query = { ...this.extra, ...query, _cid: this.cid, _mirage: this.signed };
    for (const k in query) if (query[k] != null) url.searchParams.set(k, query[k]);
    return url.href;
  }
  async request(method, token, init, query) {
    const { fetch: ask2 = fetch, credentials } = this.options;
    const headers = { Accept: "text/event-stream" };
    if (init.body) headers["Content-Type"] = headers.Accept;
    if (token) headers["Mirage-Link"] = token;
    const answer = await ask2(this.to(query), {
      method,
      headers,
      credentials,
      cache: "no-store",
      referrerPolicy: "same-origin",
      // over plain http only the Referer shows which site's page asks
      ...init
    });
    if (isEventStream(answer)) this.adopt(answer);
    return answer;
  }
  /**
   * adopt takes the path that a redirect led to, as from /live to /live/, for all requests,
   * because a WebSocket does not follow redirects. It is called only for answers of Mirage:
   * the redirect may lead to a log-in form. It adopts no other origin.
   */
  adopt({ redirected, url }) {
    const { origin, pathname } = redirected ? new URL(url) : this.base;
    if (origin === this.base.origin) this.base.pathname = pathname;
  }
};

// src/backoff.js
var FIRST = 500;
var QUICK = 800;
var SLOW = 8e3;
var sleep = (ms, wake) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  wake?.(() => {
    clearTimeout(timer);
    done();
  });
});
function delayBefore(attempt, error, { maxDelay, quick }) {
  const { retry, status, foreign: foreign2 } = error;
  if (retry) return retry;
  if (foreign2) return Math.min(maxDelay, SLOW) * (1 + Math.random()) / 2;
  const network = !status || [502, 504].includes(status);
  return Math.random() * Math.min(quick && network ? QUICK : maxDelay, FIRST * 2 ** attempt);
}

// src/parser.js
var TEXT = 1;
var BYTES = 2;
function encode(data) {
  const { buffer = data, byteOffset, byteLength } = data;
  let x = byteLength >= 0 ? BYTES : 0;
  let d = x ? toBase64(new Uint8Array(buffer, byteOffset, byteLength)) : "" + data;
  if (/[\r\0]/.test(d) || d.split("\n").length > 999) d = toBase64(new TextEncoder(x = TEXT).encode(d));
  return { d, x };
}
function decode(d, x) {
  if (!x || d == null) return d;
  const bytes = Uint8Array.from(atob(d), (c) => c.charCodeAt());
  return x === BYTES ? bytes.buffer : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
var toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
var block = ({ n, e, d, x }) => `${e && `event: ${e}
`}${x ? "encoding: base64\n" : ""}${x === BYTES ? "type: binary\n" : ""}data: ${d.replaceAll("\n", "\ndata: ")}
id: ${n}

`;
function parser(take) {
  const decoder = new TextDecoder();
  let rest = "", fields = {}, cr;
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
        if (field === "data" && field in fields) fields.data += "\n" + value;
        else if (field !== "id" || !value.includes("\0")) fields[field] = value;
        continue;
      }
      const { id, event, data, encoding, type } = fields;
      fields = {};
      if (data != null && encoding != null && encoding !== "base64") throw failure("encoding");
      if ((id ?? data) != null) {
        take({ id, event: event || "message", data: decode(data, encoding && (type === "binary" ? BYTES : TEXT)) });
      }
    }
  };
}
var epochAndNumber = (position) => position.split(/[-.]/);

// src/hello.js
var SECOND_SIGN = 3e3;
function greet(core, link, hello, position) {
  const { address, client, inbox, links, outbox, race, sender } = core;
  const { id, reason } = hello;
  const [epoch, seq] = epochAndNumber(inbox.came), [now, n] = epochAndNumber(position);
  const old = epoch === now && link.from.indexOf(epoch);
  const resumed = old || hello.resumed;
  const lost = !old && reason !== "trimmed" && hello.lost;
  const known = client.id, was = client.mirage, first = !links.opened;
  if (known && known !== id && known !== hello.previous) {
    outbox.giveBack(outbox.queue, failure("the id has changed", 409));
  }
  if (!resumed) outbox.repeat();
  inbox.repeats = epoch === now && (inbox.repeats < 0 ? hello.sent : inbox.repeats);
  if (lost || epoch !== now || n - seq > 0) inbox.reset(position);
  client.id = id;
  if (address.signed != null) address.signed = hello.mirage || address.signed;
  client.mirage = address.signed ?? id;
  link.token = hello.link;
  link.beat = hello.heartbeat;
  link.born = Date.now();
  link.news = true;
  links.welcome(link);
  if (link.name !== "poll") {
    link.watch(link.beat && SECOND_SIGN);
    sender.due = true;
  }
  outbox.accept(address.cid, hello.accepted);
  core.save();
  core.change(link.name, "transport");
  if (core.active) core.change("open");
  core.showStalled();
  if (first) core.tell("open");
  if (first || !resumed || known !== id || was !== client.mirage) {
    core.tell("mirage", { ...hello, link: void 0, mirage: client.mirage, known });
  }
  if (lost) core.tell("mirage-gap", { ...lost, reason });
  race.improve(link.name);
  sender.hurry?.();
  sender.pump();
}

// src/inbox.js
var report = (error) => new Promise((done) => {
  setTimeout(() => {
    setTimeout(done);
    throw error;
  });
});
var Inbox = class {
  taps = /* @__PURE__ */ new Set();
  // loops over the client
  unheard = /* @__PURE__ */ new Set();
  // event names of which the application was warned
  pending;
  // with ackAfter: 'promise', resolves when the listeners so far have finished
  resets = 0;
  constructor(core, { position, again }) {
    this.core = core;
    this.came = core.client.position = position;
    this.repeats = again;
  }
  /** reset continues at a position that no message led to. */
  reset(position) {
    this.came = this.core.client.position = position;
    this.resets++;
  }
  /** take takes a block with an id, and drops one that an earlier link brought. */
  take(link, { id, event, data }) {
    const [epoch, seq] = epochAndNumber(this.came), [other, n] = epochAndNumber(id);
    if (other !== epoch) throw failure("epoch");
    if (n - seq <= 0) return;
    const gap = event === "mirage-gap";
    if (!gap && n - seq > 1) throw failure("hole");
    const { client, sender, tell } = this.core;
    const { resets, pending } = this;
    const promises = [];
    link.news = true;
    this.came = id;
    if (gap) {
      const about = JSON.parse(data);
      tell(event, { ...about, from: Math.max(about.from, +seq + 1) });
    } else if (!event.startsWith("mirage") && data != null) {
      this.dispatch(event, { data, lastEventId: id }, n <= this.repeats, promises);
    }
    const delivered = () => {
      if (resets !== this.resets) return;
      client.position = id;
      if (link.name !== "poll") sender.came();
    };
    if (!promises[0] && !pending) return delivered();
    const last = this.pending = Promise.all([pending, ...promises]).catch(report).then(() => {
      delivered();
      if (this.pending === last) this.pending = void 0;
    });
  }
  dispatch(event, init, again, promises) {
    const { client, options } = this.core;
    if (!client.hears(event) && !this.taps.size && !this.unheard.has(event)) {
      this.unheard.add(event);
      console.warn(`mirage: nobody listens to '${event}', and what came is not delivered again: add listeners right after new Mirage()`);
    }
    const e = Object.assign(new MessageEvent(event, init), { again });
    if (options.ackAfter === "promise") e.waitUntil = (promise) => promises.push(promise);
    client.dispatchEvent(e);
    for (const tap of this.taps) tap(e);
  }
  /** endLoops ends the loops over the client, once they have had what came. */
  endLoops() {
    for (const tap of this.taps) tap();
  }
  /** messages iterates over all messages, as they come. */
  async *messages() {
    const waiting = [];
    let size = 0, ended = this.core.client.state === "closed", ring;
    const sizeOf = ({ data }) => data.length ?? data.byteLength;
    const tap = (e) => {
      if (e) {
        waiting.push(e);
        size += sizeOf(e);
        e.waitUntil?.(new Promise((done) => {
          e.done = done;
        }));
      } else {
        ended = true;
      }
      ring?.();
    };
    this.taps.add(tap);
    try {
      while (waiting[0] || !ended) {
        if (waiting.length > 1e3 || size > this.core.options.bytes) throw failure("too slow");
        const e = waiting.shift();
        if (e) {
          size -= sizeOf(e);
          yield e;
          e.done?.();
        } else {
          await new Promise((done) => {
            ring = done;
          });
        }
      }
    } finally {
      this.taps.delete(tap);
    }
  }
};

// src/first_visit.js
var PATIENCE = 1500;
var firstVisit = (origin) => new Promise((go) => {
  const { locks } = globalThis.navigator ?? {};
  if (!locks) return go();
  let done;
  const ended = new Promise((end) => {
    done = end;
  });
  const begin = () => {
    clearTimeout(timer);
    go(done);
    return ended;
  };
  const timer = setTimeout(begin, PATIENCE);
  locks.request("mirage:" + origin, begin).catch(begin);
});

// src/links.js
var YOUNG = 1e4;
var QUICK2 = 6e4;
var AGAIN = 1e3;
var ANSWER = 700;
var Links = class {
  all = /* @__PURE__ */ new Set();
  // that have not ended
  live;
  // the link that counts: it brought the last hello
  opened = false;
  // there was a live link
  looping = false;
  failures = 0;
  // how many attempts in a row had no hello
  strikes = 0;
  // how many links in a row ended young, at most 3
  lost = 0;
  // when the last link was lost, as performance.now()
  tried = 0;
  // when the last attempt began
  wake;
  // ends the pause before the next attempt
  asked = false;
  // the server said when to come back
  constructor(core) {
    this.core = core;
  }
  /** quick is true while somebody may be waiting for the network to come back. */
  get quick() {
    return this.opened && !globalThis.document?.hidden && performance.now() - this.lost < QUICK2;
  }
  /** loop makes attempts until there is a link. */
  async loop(wait) {
    if (this.looping) return this.wake?.();
    const { core } = this;
    this.looping = true;
    const done = !this.opened && core.address.signed == null && await firstVisit(core.address.base.origin);
    for (; ; ) {
      if (wait) await sleep(wait, (done2) => {
        this.wake = done2;
      });
      this.wake = wait = void 0;
      if (!core.active || this.live) break;
      this.tried = performance.now();
      const error = await core.race.run(core.race.order(), this.quick);
      done && done();
      if (!error || !core.active || this.live) continue;
      wait = this.complain(error, ++this.failures, this.quick);
    }
    done && done();
    this.looping = false;
  }
  /** complain tells the application that there is no link, and returns the delay. */
  complain(error, attempt, quick) {
    const { core } = this;
    const delay = core.delay(error, attempt, quick);
    this.asked = error.retry > 0;
    if (this.opened) core.change("reconnecting");
    core.tell("mirage-retry", { what: "connect", error, attempt, delay });
    return delay;
  }
  /** hurry makes the next attempt now: the user does something, or sends. */
  hurry() {
    if (!this.live && !this.asked && performance.now() - this.tried > AGAIN) this.wake?.();
  }
  /** over removes a link that has ended, and replaces it if it was the live one. */
  over(link, error = failure("ended")) {
    const { core } = this, { race } = core;
    this.all.delete(link);
    link.end(error);
    if (error.final || error.other && !core.options.transports[1]) return core.finish(4e3 + error.status, error.message);
    if (link !== this.live) return;
    const young = Date.now() - link.born < YOUNG && link.drain == null;
    this.strikes = young ? Math.min(3, this.strikes + 1) : 0;
    if (!young) race.worked.add(link.name);
    if (this.strikes > 1 || link.late && !link.spoke) race.mute = link.name;
    this.lost = performance.now();
    this.forget();
    if (core.active) {
      this.loop(link.drain ?? (this.strikes > 2 ? this.complain(error, this.strikes) : core.delay(error, this.strikes)));
    }
  }
  /** welcome makes a link the live one: its hello has come. */
  welcome(link) {
    if (this.live !== link) {
      this.core.sender.stop();
      for (const other of this.all) {
        if (other !== link && other.turn <= link.turn) other.end(failure("replaced"));
      }
    }
    this.live = link;
    this.opened = true;
    this.failures = 0;
    link.ok();
  }
  forget() {
    this.live = void 0;
    this.core.sender.stop();
    this.core.race.stop();
  }
  /** drop ends all links, and no other follows. */
  drop() {
    for (const link of this.all) link.end(failure("dropped"));
    this.all.clear();
    this.forget();
    this.wake?.();
  }
  /**
   * refresh looks for a link when the network may have changed. The live one stays until
   * another has said hello. If neither says anything, it is lost. With gently, it is
   * trusted if it spoke within its heartbeat.
   */
  async refresh(gently) {
    const { live, core } = this;
    if (!live) return this.wake?.();
    if (gently && Date.now() - live.heard <= 1.2 * (live.beat || 15e3) + 2e3) return;
    const began = live.heard = Date.now();
    const silent = () => this.live === live && live.heard === began && core.active;
    for (let i = 0; i < 4 && silent(); i++) {
      const run = core.race.run(i ? [live.name] : core.race.order(true));
      await Promise.race([run, sleep(ANSWER)]);
    }
    await sleep(core.options.timeout);
    if (silent()) this.over(live, failure("silence"));
  }
};

// src/options.js
var defaults = {
  transports: ["websocket", "sse", "poll"],
  timeout: 5e3,
  fallbackAfter: 1500,
  upgradeEvery: 3e5,
  maxDelay: 2e4,
  hidden: "keep",
  messages: 256,
  bytes: 1 << 20,
  abort: "release",
  start: true,
  ackAfter: "return",
  debug: false
};
var others = ["mirage", "query", "storage", "name", "credentials", "signal", "fetch", "WebSocket"];
function complete(given) {
  const options = { ...defaults }, names = [...Object.keys(defaults), ...others];
  for (const name in given) {
    if (!names.includes(name)) console.warn(`mirage: no option is called ${name}: they are ${names}`);
    else if (given[name] !== void 0) options[name] = given[name];
  }
  options.transports = options.transports.filter((name) => defaults.transports.includes(name));
  if (!options.transports[0]) throw noTransport();
  return options;
}
var noTransport = () => new Error(`no such transport: they are ${defaults.transports}`);

// src/outbox.js
var LONGEST_BATCH = 16384;
var outside = ({ e, d, x }) => ({ event: e || "message", data: decode(d, x) });
var Outbox = class {
  count = 0;
  // the number of the last message
  telling = false;
  // a mirage-queue event is due
  /** Messages of an earlier page come first, under that page's writer. */
  constructor(core, queue) {
    this.core = core;
    this.writer = core.address.cid;
    this.known = /* @__PURE__ */ new Map();
    this.set(queue);
    for (const m of queue) this.note(m);
  }
  set(queue) {
    this.queue = queue;
    this.core.client.waiting = queue.length;
    this.core.client.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0);
  }
  note({ w, n }) {
    this.known.set(w, Math.max(n, this.known.get(w) || 0));
  }
  /** knows reports whether this client has, or had, the message of a record. */
  knows = ({ w, n }) => n <= this.known.get(w);
  /** put enqueues a message, and returns it, or throws. */
  put(e, data) {
    const { client, options } = this.core;
    if (/[\0-\x1f]/.test(e)) throw failure("not a name", 400);
    const { d, x } = encode(data);
    if (client.readyState > 1) throw failure("closed", 410);
    if (this.queue.length >= options.messages || client.bufferedAmount + d.length > options.bytes) {
      throw failure("the queue is full", 429);
    }
    const m = { w: this.writer, n: ++this.count, e, d, x };
    this.queue.push(m);
    this.note(m);
    client.waiting++;
    client.bufferedAmount += d.length;
    this.changed();
    return m;
  }
  /**
   * withdraw takes a message back that was never sent, and reports whether it could. The
   * numbers of a writer have no holes, so later messages get another writer.
   */
  withdraw(m) {
    const at = this.queue.indexOf(m);
    if (at < 0 || m.t) return false;
    this.remove([m]);
    const later = this.queue.slice(at).filter((other) => other.w === m.w);
    this.writer = m.w.slice(0, 50) + "_" + this.known.size;
    this.count = 0;
    for (const other of later) {
      Object.assign(other, { w: this.writer, n: ++this.count });
      this.note(other);
    }
    return true;
  }
  remove(messages) {
    const gone = new Set(messages);
    this.set(this.queue.filter((m) => !gone.has(m)));
    if (gone.size) this.changed();
  }
  /** accept removes what the server has accepted, and returns how many messages that are. */
  accept(writer, n) {
    const accepted = this.queue.filter((m) => m.w === writer && m.n <= n);
    this.remove(accepted);
    for (const m of accepted) m.ok?.();
    return accepted.length;
  }
  /** giveBack returns messages to the application. */
  giveBack(messages, error) {
    if (!messages[0]) return;
    this.remove(messages);
    for (const m of messages) m.no?.(error);
    this.core.tell("mirage-returned", { id: this.core.client.id, error, messages: messages.map(outside) });
  }
  /** next returns the next body, with at most so many messages, all of one writer. */
  next(most, leaving) {
    const { w = this.writer, n = this.count + 1, a } = this.queue[0] || {};
    let size = 0, full;
    const batch = this.queue.filter((m, i) => !(full ||= i >= most || m.w !== w || m.a !== a || (size += m.d.length) > LONGEST_BATCH && i));
    const up = { writer: w, base: n, ack: this.core.client.position, again: !!a, leaving };
    let body = `event: mirage-up
data: ${JSON.stringify(up)}

`;
    for (const m of batch) {
      m.t = 1;
      body += block(m);
    }
    return { batch, w, body };
  }
  /** repeat marks what was tried: a server that has lost its log may have had it. */
  repeat() {
    for (const m of this.queue) m.a = m.t;
  }
  list() {
    return this.queue.map(outside);
  }
  changed() {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      this.core.tell("mirage-queue", { waiting: this.queue.length, stored: !this.core.record.full });
    });
  }
};

// src/page.js
var Page = class {
  phase = globalThis.document?.prerendering ? "prerendering" : "shown";
  offline = false;
  // the browser said so, and nothing has come since
  token;
  // of the link that the page had when it was left
  speaking = false;
  // last words are due
  timer;
  // until the page falls asleep
  listening;
  // ends the listeners
  constructor(core) {
    this.core = core;
  }
  /** attach listens to the page. */
  attach() {
    if (this.listening) return;
    const { core } = this, { links } = core;
    const { signal } = this.listening = new AbortController();
    const listen = (target, events) => {
      for (const type in events) target?.addEventListener?.(type, events[type], { signal, passive: true });
    };
    const hurry = () => links.hurry();
    listen(globalThis, {
      online: () => this.network(false),
      offline: () => this.network(true),
      pagehide: (e) => {
        this.leave("left");
        if (e.persisted) core.change("paused");
      },
      pageshow: (e) => e.persisted && this.show(),
      pointerdown: hurry,
      keydown: hurry
    });
    listen(globalThis.document, {
      visibilitychange: () => document.hidden ? this.hide() : this.see(),
      resume: () => links.refresh(),
      prerenderingchange: () => this.show()
    });
  }
  /** detach lets go of the page. */
  detach() {
    this.listening?.abort();
    this.listening = void 0;
    clearTimeout(this.timer);
  }
  network(offline) {
    this.offline = offline;
    this.core.showStalled();
    if (!offline) this.core.links.refresh();
  }
  hide() {
    const { core } = this, { hidden } = core.options;
    core.save();
    core.sender.flush();
    if (hidden === "keep") return;
    this.timer = setTimeout(() => {
      if (!core.active) return;
      this.leave("asleep");
      core.change("paused");
    }, hidden === "release" ? 0 : hidden);
  }
  see() {
    clearTimeout(this.timer);
    if (this.phase === "asleep") this.show();
    else this.core.links.refresh(true);
  }
  show() {
    this.phase = "shown";
    if (this.core.wanted) this.core.client.connect();
  }
  /** leave ends the link: the page may end, and sends its last messages. */
  leave(phase = this.phase) {
    const { core } = this, { links, outbox, sender } = core, { live } = links;
    this.phase = phase;
    this.token = live?.token;
    if (live && (outbox.queue[0] || sender.unacked || live.name === "poll")) sender.farewell(live.token);
    core.save(true);
    links.drop();
  }
  /** sent takes notice of a new message. After pagehide there are only last words. */
  sent() {
    const { core } = this;
    if (this.phase === "shown" && !globalThis.document?.hidden && this.listening) return core.sender.soon();
    if (this.speaking) return;
    this.speaking = true;
    queueMicrotask(() => {
      this.speaking = false;
      if (this.phase === "left" && this.token) core.sender.farewell(this.token);
      else core.save();
    });
  }
};

// src/link.js
var Link = class {
  token;
  // of its hello; undefined while it is opening
  from;
  // the position that it presented
  beat;
  // milliseconds: the longest silence of the server
  born;
  // when its hello came
  heard;
  // when something came last
  news;
  // something new came
  drain;
  // milliseconds: the server ends the link and says when to come back
  spoke;
  // something came after hello, so nothing holds it back
  late;
  // it ended because of silence
  timer;
  control = new AbortController();
  // ends it
  socket;
  // of a WebSocket
  answer;
  // takes the answer to a frame
  /** turn says how often use() had been called. path is where the link was opened. */
  constructor(core, name, turn) {
    Object.assign(this, { core, name, turn, path: core.address.base.pathname });
    this.hello = new Promise((ok, no) => Object.assign(this, { ok, no }));
    this.hello.catch(() => 0);
  }
  get signal() {
    return this.control.signal;
  }
  /** watch ends the link unless something comes within ms; 0 means that it may be silent. */
  watch(ms) {
    clearTimeout(this.timer);
    if (ms) {
      this.timer = setTimeout(() => {
        this.late = true;
        this.control.abort(failure("silence"));
      }, ms);
    }
  }
  /** where is the query of a GET that opens or continues the link. */
  where(more) {
    const { client, inbox, links, address } = this.core;
    this.from = client.position;
    return { _pos: this.from, _was: links.opened && !address.signed ? client.id : null, ...more };
  }
  /** feeder returns the function that takes the text or bytes of the link. */
  feeder() {
    const feed = parser((block2) => this.core.take(this, block2));
    return (piece) => {
      this.heard = Date.now();
      if (this.token && this.name !== "poll") {
        this.spoke = true;
        this.watch(this.beat && 2 * this.beat + 5e3);
      }
      feed(piece);
    };
  }
  /** end ends the connection. It may be called again. */
  end(error) {
    clearTimeout(this.timer);
    this.control.abort(error);
    this.no(error);
  }
};

// src/storage.js
var MEMORY = 18e5;
var matching = (value, pattern, other) => typeof value === "string" && pattern.test(value) ? value : other;
var isCount = (n, least) => Number.isSafeInteger(n) && n >= least;
function isMessage(m) {
  try {
    decode(m.d, m.x);
    return matching(m.w, /^[\w-]{22,64}$/) && isCount(m.n, 1) && matching(m.e + "\n", /^[^\0-\x1f]*\n$/) && matching(m.d, m.x ? /^/ : /^[^\r\0]*$/, "\0") !== "\0";
  } catch {
    return false;
  }
}
function parse(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
  }
  const { id, position, signed, queue, bad, again } = found ?? {};
  const kept = {
    id: matching(id, /^[!-~]{1,256}$/, ""),
    position: matching(position, /^[\w.-]{1,64}$/, ""),
    signed: matching(signed, /^[!-~]{1,4096}$/),
    queue: Array.isArray(queue) ? queue.filter(isMessage) : [],
    bad: {},
    again: isCount(again, -1) ? again : 0
  };
  for (const name in bad) if (bad[name] <= Date.now() + MEMORY) kept.bad[name] = bad[name];
  return kept;
}
var Record = class {
  storage;
  text;
  // of the record, as this client read or wrote it last
  /** full is true if messages that wait could not be stored. */
  full = true;
  constructor(options, url) {
    this.key = "mirage:" + (options.name || url.replace(/^([^?#]*)\/(?=[?#]|$)/, "$1"));
    try {
      const { storage = globalThis.document && sessionStorage } = options;
      this.storage = storage;
      this.text = storage.getItem(this.key);
    } catch {
    }
    this.kept = parse(this.text);
  }
  /**
   * save stores the record. Messages in it that this client does not know belong to
   * another client with the same record, and stay.
   */
  save(record, knows) {
    const queue = [...this.others(knows), ...record.queue];
    this.full = !this.write({ ...record, queue });
    if (this.full) this.write({ ...record, queue: [] });
  }
  /** remove removes what this client stored, for good. */
  remove(knows) {
    const queue = this.others(knows);
    try {
      if (!queue[0]) this.storage.removeItem(this.key);
    } catch {
    }
    if (queue[0]) this.write({ queue });
    this.storage = void 0;
  }
  others(knows) {
    try {
      const text = this.storage.getItem(this.key);
      return text === this.text ? [] : parse(text).queue.filter((m) => !knows(m));
    } catch {
      return [];
    }
  }
  // write reports whether the record is stored.
  write(record) {
    const text = JSON.stringify(record);
    try {
      this.storage.setItem(this.key, text);
      this.text = text;
      return true;
    } catch {
    }
  }
};

// src/transports/stream.js
async function request({ address, save }, link, more) {
  save();
  const answer = await address.request("GET", link.token, { signal: link.signal }, link.where(more));
  if (isEventStream(await check(answer, address.url))) return answer;
  throw foreign(answer, address.url);
}
async function read({ body }, feed) {
  const reader = body.getReader();
  for (let read2; !(read2 = await reader.read()).done; ) feed(read2.value);
}
async function stream(core, link) {
  const answer = await request(core, link);
  if (!answer.body?.getReader) throw failure("fetch() cannot stream here", 501);
  await read(answer, link.feeder());
}

// src/transports/poll.js
var WAIT = 25;
var LONGEST = 35e3;
var EARLY = 1e3;
async function poll(core, link) {
  let early = 0;
  do {
    if (link.token) link.watch(LONGEST);
    const asked = performance.now();
    link.news = false;
    const answer = await request(core, link, { _wait: WAIT });
    const feed = link.feeder();
    if (answer.body?.getReader) await read(answer, feed);
    else feed(await answer.text());
    await core.inbox.pending;
    if (link.news || performance.now() - asked > EARLY) early = 0;
    else if (++early > 3) throw failure("polls are answered at once, with nothing new: is there a cache in between?");
    else await sleep(EARLY);
  } while (link.token && link.drain == null && !link.signal.aborted);
}

// src/transports/websocket.js
var websocket = ({ address, options }, link) => new Promise((_, no) => {
  const socket = new (options.WebSocket || WebSocket)(address.to(link.where()).replace("http", "ws"));
  const feed = link.feeder();
  link.socket = socket;
  link.signal.onabort = () => no(socket.close());
  socket.onmessage = ({ data }) => {
    try {
      feed(data);
    } catch (error) {
      no(error);
    }
  };
  socket.onclose = ({ code, reason }) => {
    const [text, seconds] = reason.split(/; retry in (\d+) s$/);
    const status = Math.max(0, code - 4e3);
    no(Object.assign(failure(text || "closed " + code, status), { retry: delayOf(seconds) }));
  };
});

// src/race.js
var carriers = { websocket, sse: stream, poll };
var SOON = 1e4;
var Race = class {
  turn = 0;
  // how often use() was called
  chosen = void 0;
  // the argument of use()
  mute = void 0;
  // the transport that says hello and then fails
  worked = /* @__PURE__ */ new Set();
  // transports whose links lasted
  probe = 0;
  // the timer of attempts with a better transport
  /** bad says until when a transport is not tried first. */
  constructor(core, bad) {
    Object.assign(this, { core, bad });
  }
  /** order returns the names of the transports. With all, those that failed keep their rank. */
  order(all) {
    const rank = (name) => name === this.chosen ? -1 : !all && (this.bad[name] > Date.now() || name === this.mute);
    return [...this.core.options.transports].sort((a, b) => rank(a) - rank(b));
  }
  /**
   * run tries the transports one after the other: each has some time before the next one
   * starts beside it. The first hello wins. A transport that failed before the winner is
   * bad for half an hour. If none wins, the network is to blame. run returns the error if
   * none won.
   *
   * With again, the client had a link before: a connection that the browser reuses may be
   * dead. So each transport gets a second attempt at half its time, and run does not wait
   * for attempts that are merely slow. They may still win.
   *
   * A WebSocket does not follow the redirect that the winner followed. It failed at the
   * former path, which says nothing about WebSockets, so it is retried at the adopted path.
   */
  async run(names, again) {
    const { core } = this, { links } = core;
    const time = core.options.fallbackAfter / (again ? 2 : 1);
    const tried = [];
    let won, why;
    const attempt = async (name) => {
      const link = this.start(name);
      tried.push(link);
      let failed2;
      const done = link.hello.then(() => {
        won = link;
      }, (error) => {
        failed2 = why = error;
      });
      await Promise.race([done, sleep(time)]);
      return failed2 ? failed2.other || !failed2.status : !won;
    };
    for (const name of names) {
      if (!await attempt(name) || !core.active) break;
      if (again && !why && (!await attempt(name) || !core.active)) break;
    }
    const all = Promise.any(tried.map((link) => link.hello)).catch(() => 0);
    await (again && !why ? Promise.race([all, sleep(0)]) : all);
    if (!won || !links.live) return why;
    const failed = tried.slice(0, tried.indexOf(won)).filter((link) => link.name !== won.name);
    const astray = failed.find(({ name, path }) => name === "websocket" && path !== core.address.base.pathname);
    this.forget([this.mute, ...failed.filter((link) => link !== astray).map((link) => link.name)]);
    this.mute = void 0;
    delete this.bad[won.name];
    if (astray) this.run([astray.name]).then((error) => {
      if (error && links.live) this.forget([astray.name]);
    });
  }
  // forget notes transports that failed where another one worked.
  forget(names) {
    for (const name of names) {
      if (name && (name === this.mute || !this.worked.has(name))) this.bad[name] = Date.now() + MEMORY;
    }
  }
  start(name) {
    const { core } = this;
    const link = new Link(core, name, this.turn);
    core.links.all.add(link);
    link.watch(core.options.timeout);
    this.carry(link).catch((error) => error).then((error) => core.links.over(link, link.signal.reason || error));
    return link;
  }
  async carry(link) {
    const { core } = this;
    if (core.address.renews) {
      await core.address.renew();
      link.signal.throwIfAborted();
    }
    await carriers[link.name](core, link);
  }
  /** improve tries to reach a better transport from time to time. */
  improve(name) {
    const { upgradeEvery } = this.core.options;
    const [better] = this.order(true);
    this.stop();
    if (better === name || !upgradeEvery) return;
    const wait = this.worked.has(better) && !this.bad[better] ? Math.min(SOON, upgradeEvery) : upgradeEvery;
    const look = () => {
      this.run([better]);
      this.probe = setTimeout(look, upgradeEvery);
    };
    this.probe = setTimeout(look, wait);
  }
  stop() {
    clearTimeout(this.probe);
  }
  /** use prefers a transport, undefined for none, and moves to it. */
  async use(name) {
    const before = this.chosen;
    this.chosen = name;
    this.turn++;
    if (!this.core.active) return;
    const why = await this.run(name ? [name] : this.order(true));
    if (!why) return;
    if (this.chosen === name) this.chosen = before;
    throw why;
  }
};

// src/sender.js
var LONGEST_ANSWER = 15e3;
var MOST = 100;
var ACK_AFTER = 16;
var ACK_WITHIN = 500;
var KEEPALIVE = 6e4;
var Sender = class {
  busy = false;
  most = MOST;
  // messages in the next request
  tries = 0;
  // how many requests in a row failed
  unacked = 0;
  // messages that came and are not acknowledged
  due = false;
  // an acknowledgement is to be sent, even without messages
  timer;
  // until what is new is stored and acknowledged
  abort = new AbortController();
  // for the request under way
  hurry;
  // ends the pause before the next request
  constructor(core) {
    this.core = core;
  }
  /** soon stores and acknowledges in a moment. */
  soon() {
    this.timer ||= setTimeout(() => {
      this.timer = void 0;
      this.core.save();
      if (this.unacked) this.flush();
    }, ACK_WITHIN);
  }
  /** flush acknowledges now. */
  flush() {
    this.due ||= this.unacked > 0;
    this.pump();
  }
  /** came counts a message that came down. */
  came() {
    if (++this.unacked >= ACK_AFTER || globalThis.document?.hidden) this.flush();
    else this.soon();
  }
  async pump() {
    if (this.busy) return;
    this.busy = true;
    for (let live; (live = this.core.links.live) && (this.due || this.core.outbox.queue[0]); ) await this.send(live);
    this.busy = false;
  }
  /** next returns the next body. It also acknowledges, and is stored before it is sent. */
  next(leaving) {
    const next = this.core.outbox.next(this.most, leaving);
    this.due = false;
    this.unacked = 0;
    this.core.save();
    return next;
  }
  async send(link) {
    const { outbox } = this.core;
    const { batch, w, body } = this.next();
    const { signal } = this.abort = new AbortController();
    const timer = setTimeout(() => this.abort.abort(), LONGEST_ANSWER);
    try {
      const { accepted, failed = [] } = await this.say(link, body, signal, batch[0]) || 0;
      outbox.giveBack(batch.filter((m) => failed.includes(m.n)), failure("the handler failed", 500));
      if (!outbox.accept(w, accepted) && outbox.queue.includes(batch[0])) throw failure("not accepted");
      if (this.most < MOST) this.most++;
      this.recovered();
    } catch (error) {
      await this.failed(link, batch, w, error || failure("no answer"), signal.aborted);
    }
    clearTimeout(timer);
  }
  recovered() {
    this.tries = 0;
    this.core.showStalled();
  }
  async failed(link, batch, w, error, aborted) {
    const { links, outbox } = this.core;
    if (!batch[0]) this.due = true;
    if (error.unfit && batch[0]) {
      this.most = batch.length + 1 >> 1;
      if (!batch[1]) outbox.giveBack(batch, error);
      return;
    }
    if (error.final) return this.core.finish(4e3 + error.status, error.message);
    if (links.live?.token !== link.token || outbox.accept(w, error.expected - 1)) return;
    if (error.status === 401 && !error.foreign) return links.over(link, error);
    const attempt = ++this.tries;
    const delay = aborted ? 0 : this.core.delay(error, attempt);
    this.core.showStalled(aborted);
    if (attempt > 1) this.core.tell("mirage-retry", { what: "send", error, attempt, delay });
    if (aborted) links.over(link, error);
    else await sleep(delay, (done) => {
      this.hurry = done;
    });
  }
  // say sends a body upstream and returns the server's answer. The server does not answer
  // a frame that is only an acknowledgement.
  async say(link, body, signal, wait) {
    const { socket, token } = link;
    if (!socket) return this.post(token, body, signal);
    socket.readyState > 1 || socket.send(body);
    return wait && new Promise((ok, no) => {
      link.answer = (answer) => answer.status === 200 ? ok(answer) : no(Object.assign(failure(answer.detail, answer.status), answer));
      signal.onabort = () => no();
    });
  }
  // A redirect with 301 or 302 turns the POST into a GET without a body, which the server
  // answers with a stream. request has adopted the path then, so the next attempt is not
  // redirected.
  async post(token, body, signal) {
    const { address } = this.core;
    const keepalive = globalThis.document?.hidden && body.length < 16e3;
    const answer = await check(await address.request("POST", token, { body, signal, keepalive }), address.url);
    if (isEventStream(answer)) {
      discard(answer);
      throw failure("redirected");
    }
    const result = await answer.json().catch(() => 0);
    if (!(result.accepted >= 0)) throw foreign(answer, address.url);
    address.adopt(answer);
    return result;
  }
  /**
   * farewell sends the last messages of a page that ends, and says so, in case the server
   * does not see the link end. It may be called again: each call repeats what is not
   * accepted. The messages are also stored, and the server recognizes them if they come
   * again. What is too long for a request that outlives its page is only stored.
   */
  farewell(token) {
    let { body } = this.next(true);
    if (new Blob([body]).size > KEEPALIVE) body = body.split("\n\n", 1) + "\n\n";
    this.core.address.request("POST", token, { body, keepalive: true }).catch(() => 0);
  }
  /** stop gives up the request under way: its link is lost. */
  stop() {
    this.abort.abort();
  }
  /** end ends the timer. */
  end() {
    this.timer = clearTimeout(this.timer);
  }
};

// src/client.js
var READY = { open: 1, closing: 2, closed: 3 };
var Core = class {
  wanted = false;
  // the application wants a link
  constructor(client, url, given) {
    const options = this.options = complete(given);
    this.client = client;
    this.tell = this.tell.bind(this);
    this.save = this.save.bind(this);
    this.address = new Address(url, options);
    this.record = new Record(options, this.address.url);
    const { kept } = this.record;
    this.address.identify(kept.signed);
    this.outbox = new Outbox(this, kept.queue);
    this.inbox = new Inbox(this, kept);
    this.sender = new Sender(this);
    this.race = new Race(this, kept.bad);
    this.links = new Links(this);
    this.page = new Page(this);
  }
  /** active is true while there may be links. */
  get active() {
    return this.wanted && this.page.phase === "shown";
  }
  log(...words) {
    if (this.options.debug) console.debug("mirage:", ...words);
  }
  tell(type, more) {
    this.log(type, more);
    this.client.dispatchEvent(Object.assign(new Event(type), more));
  }
  /** change sets a property of the client, and dispatches an event if it is new. */
  change(value, what = "state") {
    const previous = this.client[what];
    this.client[what] = value;
    if (previous !== value) this.tell("mirage-" + what, { [what]: value, previous });
  }
  /** showStalled sets what keeps messages from flowing although the state may be open. */
  showStalled(failing = this.sender.tries > 1) {
    this.change(this.page.offline ? "offline" : failing ? "send" : "", "stalled");
  }
  delay(error, attempt, quick) {
    return delayBefore(attempt, error, { maxDelay: this.options.maxDelay, quick });
  }
  /** save stores what outlives the page. It is clean if no message can come any more. */
  save(clean) {
    const { id, position } = this.client;
    this.record.save({
      id,
      position,
      signed: this.address.signed,
      queue: this.outbox.queue,
      bad: this.race.bad,
      again: this.links.live && !clean ? -1 : this.inbox.repeats
    }, this.outbox.knows);
  }
  put(event, data) {
    const message = this.outbox.put(event, data);
    this.page.sent();
    this.links.hurry();
    this.sender.pump();
    return message;
  }
  /** take takes a block that came down a link. */
  take(link, block2) {
    const { links, outbox, sender } = this;
    const { id, event, data } = block2;
    const about = event.startsWith("mirage") && JSON.parse(data);
    if (event === "mirage") return greet(this, link, about, id);
    if (link !== links.live) return;
    if (event === "mirage-ack") {
      return about.status ? link.answer?.(about) : sender.busy || outbox.accept(this.address.cid, about.accepted);
    }
    if (event === "mirage-drain") {
      link.drain = about.retry;
      return this.tell(event, about);
    }
    if (event === "mirage-end") throw failure(about.reason, about.status);
    if (id != null) this.inbox.take(link, block2);
  }
  /** pause ends the link, and lets go of the page. */
  pause() {
    this.wanted = false;
    this.page.leave();
    this.page.detach();
    this.sender.end();
    this.change("paused");
  }
  /** finish closes the client for good. */
  finish(code, reason, wasClean = false) {
    const { client, inbox, outbox } = this;
    if (client.state === "closed") return;
    this.wanted = false;
    this.links.drop();
    this.sender.end();
    this.page.detach();
    this.change("closed");
    outbox.giveBack(outbox.queue, failure(reason || "closed", code));
    this.record.remove(outbox.knows);
    inbox.endLoops();
    this.tell("close", { code, reason, wasClean });
  }
};
var Mirage = class extends (globalThis.EventTarget || Object) {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  state = "connecting";
  // then open, reconnecting, paused, closing, closed
  stalled = "";
  transport = "";
  waiting = 0;
  bufferedAmount = 0;
  position = "";
  // up to where everything was delivered: the server's text, presented unchanged
  #core;
  #heard = /* @__PURE__ */ new Set();
  // event names that have or had a listener
  get readyState() {
    return READY[this.state] || 0;
  }
  constructor(url, options) {
    super();
    if (!globalThis.EventTarget) throw new TypeError("mirage.js needs EventTarget: load a polyfill before it");
    if (url && typeof url === "object" && !("href" in url)) [url, options] = [null, url];
    const core = this.#core = new Core(this, url, options);
    const { address, record } = core;
    this.url = address.url;
    this.transports = core.options.transports;
    this.id = record.kept.id;
    this.mirage = address.signed ?? this.id;
    for (const type of ["open", "message", "mirage", "close"]) {
      super.addEventListener(type, (e) => this["on" + type]?.(e));
    }
    const { signal, abort, start } = core.options;
    const end = () => abort === "close" ? this.close() : this.release();
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    else if (start && address.base) this.connect();
  }
  /** queued returns the messages that are not accepted yet. */
  queued() {
    return this.#core.outbox.list();
  }
  /**
   * send enqueues an unnamed message, text or bytes, which is delivered once. It throws if
   * the queue is full.
   */
  send(data) {
    if (data == null || Object(data) === data && !(data.byteLength >= 0)) {
      throw new TypeError("send() takes text or bytes: use emit(event, data) for other data, and await blob.arrayBuffer() for a Blob");
    }
    this.#core.put("", data);
  }
  /**
   * emit enqueues a named message in JSON. The promise resolves when the server has
   * accepted it.
   */
  emit(event, data = null, { signal } = {}) {
    const promise = new Promise((ok, no) => {
      signal?.throwIfAborted();
      const text = JSON.stringify(data);
      if (text == null) throw new TypeError("emit() takes data that JSON can express");
      const message = Object.assign(this.#core.put("" + event, text), { ok, no });
      signal?.addEventListener("abort", () => {
        this.#core.outbox.withdraw(message);
        no(signal.reason);
      });
    });
    promise.catch(() => 0);
    return promise;
  }
  addEventListener(type, listener, options) {
    this.#heard.add(type);
    super.addEventListener(type, listener, options);
  }
  hears(type) {
    return this.#heard.has(type) || type === "message" && this.onmessage;
  }
  /**
   * on calls listener with the payload of each event: its data, parsed if the event has a
   * name. It returns the function that removes the listener.
   */
  on(type, listener, options) {
    const call = (e) => {
      const { data } = e;
      const result = listener(data == null ? e.mirage ?? e : type === "message" || data instanceof ArrayBuffer ? data : JSON.parse(data), e);
      if (result?.then) e.waitUntil?.(result);
    };
    this.addEventListener(type, call, options);
    return () => this.removeEventListener(type, call, options);
  }
  /** once is on, for one event. */
  once(type, listener) {
    return this.on(type, listener, { once: true });
  }
  /**
   * subscribe calls fn now and at every change of state, stalled or transport, as Svelte's
   * stores do.
   */
  subscribe(fn) {
    fn(this);
    const stops = ["state", "stalled", "transport"].map((what) => this.on("mirage-" + what, () => fn(this)));
    return () => stops.forEach((stop) => stop());
  }
  [Symbol.asyncIterator]() {
    return this.#core.inbox.messages();
  }
  /**
   * use moves to another transport without a break. The promise resolves when that is in
   * use. Without a name the client chooses again.
   */
  async use(transport) {
    if (transport && !defaults.transports.includes(transport)) throw noTransport();
    await this.#core.race.use(transport);
  }
  connect() {
    const core = this.#core, { links } = core;
    if (this.readyState > 1) return;
    if (!core.address.base) throw new TypeError(this.url + " is relative, and there is no page: connect in a browser");
    core.wanted = true;
    core.page.attach();
    if (!links.live) core.change(links.opened ? "reconnecting" : "connecting");
    links.loop();
  }
  /** disconnect ends the link and keeps the session. */
  disconnect() {
    if (this.readyState < 2) this.#core.pause();
  }
  /** release is disconnect for cleanups: it also ends the loops over the client. */
  release() {
    this.disconnect();
    this.#core.inbox.endLoops();
  }
  /** close sends what waits, for at most timeout, ends the session and forgets it. */
  async close(code = 1e3, reason = "") {
    const core = this.#core, { links, outbox, options } = core;
    if (this.readyState > 1) return;
    core.wanted = false;
    core.change("closing");
    const until = performance.now() + options.timeout;
    while (links.live && outbox.queue[0] && performance.now() < until) await sleep(20);
    if (links.live) core.address.request("DELETE", links.live.token, { keepalive: true }).catch(() => 0);
    core.finish(code, reason, true);
  }
};
if (Symbol.dispose) Mirage.prototype[Symbol.dispose] = Mirage.prototype.release;
export {
  Mirage,
  Mirage as default,
  parser
};
