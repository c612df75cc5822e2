// Code generated from src/ by "go generate ./client/js". DO NOT EDIT.
//
// mirage.js: the browser client of Mirage, sessions that survive the network. src/ has
// the comments, docs/client.md is the manual.

// src/errors.js
var REFUSED = [204, 400, 403, 410];
var IMPOSSIBLE = [405, 413, 415];
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
var delayOf = (seconds) => seconds > 0 ? 1e3 * seconds : void 0;
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
  return failure(`${url} answered with ${typeOf(answer)}, so that is not Mirage`, answer.status, false);
}

// src/address.js
function scriptDirectory() {
  const script = import.meta.url;
  if (/^https?:[^?#]*\/mirage(\.min|\.dev)?\.js([?#]|$)/.test(script)) return new URL(".", script);
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL of Mirage on your server");
}
function locate({ address }, url = scriptDirectory()) {
  const { document, location, origin } = globalThis;
  const page = document?.baseURI ?? location?.href;
  address.base = page || /^[a-z]+:/i.test(url) ? new URL(url, page) : void 0;
  address.cid = crypto.getRandomValues(new Uint32Array(4)).join("_");
  address.signed = address.base?.origin === origin ? void 0 : "";
  return "" + (address.base || url);
}
function identify({ address, options: { mirage = address.signed, query } }, kept) {
  address.signed = mirage?.call ? "" : mirage || kept || mirage;
  address.extra = query;
}
var renews = ({ options: { mirage, query } }) => mirage?.call || query?.call;
async function renew({ address, options: { mirage, query } }) {
  if (query?.call) address.extra = await query();
  if (mirage?.call) address.signed = await mirage() ?? address.signed;
}
function to({ address }, query) {
  const url = new URL(address.base);
  query = { ...address.extra, ...query, _cid: address.cid, _mirage: address.signed };
  for (const k in query) if (query[k] != null) url.searchParams.set(k, query[k]);
  return url.href;
}
async function request(core, method, token, init, query) {
  const { fetch: ask = fetch, credentials } = core.options;
  const headers = { Accept: "text/event-stream" };
  if (init.body) headers["Content-Type"] = headers.Accept;
  if (token) headers["Mirage-Link"] = token;
  const answer = await ask(to(core, query), {
    method,
    headers,
    credentials,
    cache: "no-store",
    referrerPolicy: "same-origin",
    // over plain http only the Referer shows which site's page asks
    ...init
  });
  if (isEventStream(answer)) adopt(core, answer);
  return answer;
}
function adopt({ address: { base } }, { redirected, url }) {
  const { origin, pathname } = redirected ? new URL(url) : base;
  if (origin === base.origin) base.pathname = pathname;
}

// src/backoff.js
var HOUR = 36e5;
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
function delayBefore(attempt, error, maxDelay, quick) {
  const { retry, status, foreign: foreign2 } = error;
  if (retry > 0) return Math.min(retry, HOUR);
  if (foreign2 && attempt > 1) return Math.min(maxDelay, SLOW) * (1 + Math.random()) / 2;
  if (quick && (!status || [502, 504].includes(status))) return Math.min(maxDelay, QUICK) * (1 + Math.random()) / 2;
  return Math.random() * Math.min(maxDelay, FIRST * 2 ** attempt);
}
function delayAfterRefusal(attempt, retry, maxDelay) {
  const least = Math.min(retry || 0, HOUR);
  const bound = Math.max(least, FIRST) * 2 ** (attempt - 1);
  return Math.max(least, Math.min(maxDelay, bound * (1 + Math.random() / 2)));
}

// src/core.js
var newCore = (client, options, listeners) => ({
  client,
  options,
  listeners: Object.assign(listeners, { bytes: options.bytes }),
  // target.js
  wanted: false,
  // the application wants a link
  address: {},
  // address.js
  record: { others: [], full: false },
  // storage.js
  outbox: { queue: [], numbers: /* @__PURE__ */ new Map(), count: 0 },
  // outbox.js
  sender: { most: 100, tries: 0, unacked: 0, abort: new AbortController() },
  // sender.js
  inbox: { resets: 0 },
  // inbox.js
  topics: { all: /* @__PURE__ */ new Map(), toLeave: /* @__PURE__ */ new Set() },
  // topics.js
  links: { all: /* @__PURE__ */ new Set(), failures: 0, strikes: 0, lostAt: 0, triedAt: 0 },
  // links.js
  race: { bad: {}, turn: 0, doubts: 0, worked: /* @__PURE__ */ new Set() },
  // race.js
  page: { phase: globalThis.document?.prerendering ? "prerendering" : "shown" }
  // page.js
});
var isActive = (core) => core.wanted && core.page.phase === "shown";
var isHidden = () => globalThis.document?.hidden;
var log = (core, ...words) => core.options.debug && console.debug("mirage:", ...words);
function tell(core, type, more) {
  log(core, type, more);
  core.client.dispatchEvent(Object.assign(new Event(type), more));
}
function change(core, value, what = "state") {
  const previous = core.client[what];
  core.client[what] = value;
  if (previous !== value) tell(core, "mirage-" + what, { [what]: value, previous });
}
function reached(core) {
  core.page.offline = false;
  showStalled(core);
}
var showStalled = (core, failing = core.sender.tries > 1) => change(core, core.page.offline ? "offline" : failing ? "send" : "", "stalled");

// src/first_visit.js
var before;
function seen({ record }, now) {
  try {
    return record.storage && (now ? localStorage.mirage = 1 : localStorage.mirage);
  } catch {
  }
}
var firstVisit = (origin, patience) => new Promise((go) => {
  const { locks } = globalThis.navigator ?? {};
  const earlier = before;
  let done;
  const ended = before = new Promise((end3) => {
    done = end3;
  });
  const begin2 = () => {
    clearTimeout(timer);
    go(done);
    return ended;
  };
  const timer = setTimeout(begin2, patience);
  Promise.resolve(earlier).then(() => locks.request("mirage:" + origin, begin2)).catch(begin2);
});

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
function parser(take3) {
  const decoder = new TextDecoder();
  let rest2 = "", fields = {}, cr;
  return (piece) => {
    let chunk = piece.big ? piece : decoder.decode(piece, { stream: true });
    if (!chunk) return;
    if (cr && chunk[0] === "\n") chunk = chunk.slice(1);
    cr = chunk.endsWith("\r");
    const lines = chunk.split(/\r\n?|\n/);
    lines[0] = rest2 + lines[0];
    rest2 = lines.pop();
    for (const line of lines) {
      if (line) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "data" && field in fields) fields.data += "\n" + value;
        else if (field !== "id" || !value.includes("\0")) fields[field] = value;
        continue;
      }
      const { id, event, data, encoding, type, topic, key, grow: grow2, done } = fields;
      fields = {};
      if (data != null && encoding != null && encoding !== "base64") throw failure("encoding");
      if ((id ?? data) != null) {
        take3({
          id,
          event: event || "message",
          data: decode(data, encoding && (type === "binary" ? BYTES : TEXT)),
          topic,
          key,
          grow: grow2 && +grow2,
          done: done === "true"
        });
      }
    }
  };
}
var epochAndNumber = (position) => position.split(/[-.]/);

// src/topics.js
var MOST_OTHERS = 64;
var LONGEST = 2048;
function newTopic({ topics: { all } }, name, whole) {
  const t = {
    name,
    whole,
    state: whole ? "joined" : "joining",
    rooms: /* @__PURE__ */ new Map(),
    came: "",
    position: "",
    acked: "",
    growing: /* @__PURE__ */ new Map(),
    members: /* @__PURE__ */ new Map(),
    count: 0,
    key: "",
    tries: 0,
    until: 0
  };
  all.set(name, t);
  const others3 = [...all.values()].filter((t2) => !t2.rooms.size);
  if (whole && others3[MOST_OTHERS]) all.delete(others3[0].name);
  return t;
}
function find({ topics: { all } }, name, id) {
  const [beginning] = epochAndNumber(id ?? "");
  const t = all.get(name) ?? [...all.values()].find(({ came }) => id && epochAndNumber(came)[0] === beginning);
  if (t && name && t.name !== name) {
    all.delete(t.name);
    all.set(t.name = name, t);
  }
  return t;
}
function positions({ client, topics }, isWanted = () => true) {
  let text = client.position;
  for (const t of [...topics.all.values()].sort((a, b) => b.rooms.size - a.rooms.size)) {
    const longer = text + t.position;
    if (t.state !== "left" && isWanted(t) && longer.length <= LONGEST) text = longer;
  }
  return text;
}
var acknowledgement = (core) => positions(core, (t) => t.position !== t.acked);
function noteAcked({ topics }, text) {
  for (const t of topics.all.values()) if (text.includes(t.position)) t.acked = t.position;
}

// src/outbox.js
var outside = ({ e, d, x }) => ({ event: e || "message", data: decode(d, x) });
var note = ({ outbox: { numbers } }, { w, n }) => numbers.set(w, Math.max(n, numbers.get(w) || 0));
var knows = ({ outbox: { numbers } }, { w, n }) => n <= numbers.get(w);
var list = ({ outbox }) => outbox.queue.map(outside);
function keep(core, queue) {
  core.outbox.queue = queue;
  core.client.waiting = queue.length;
  core.client.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0);
}
function restore(core, queue) {
  keep(core, queue);
  for (const m of queue) note(core, m);
}
function changed(core) {
  const { outbox } = core;
  if (outbox.telling || !core.listeners.heard.has("mirage-queue")) return;
  outbox.telling = true;
  queueMicrotask(() => {
    outbox.telling = false;
    if (core.client.state === "closed") return;
    const waiting = outbox.queue.length, { storage, full } = core.record;
    tell(core, "mirage-queue", { waiting, stored: !!storage && !(full && waiting) });
  });
}
function enqueue(core, e, data) {
  const { client, options, outbox } = core;
  if (/[\0-\x1f]/.test(e)) throw failure("not a name", 400);
  const { d, x } = encode(data);
  if (client.readyState > 1) throw failure("closed", 410);
  if (outbox.queue.length >= options.messages || client.bufferedAmount + d.length > options.bytes) {
    throw failure("the queue is full", 429);
  }
  const m = { w: core.address.cid, n: ++outbox.count, e, d, x };
  outbox.queue.push(m);
  note(core, m);
  client.waiting++;
  client.bufferedAmount += d.length;
  changed(core);
  return m;
}
function take(core, messages2) {
  const gone = new Set(messages2);
  keep(core, core.outbox.queue.filter((m) => !gone.has(m)));
  changed(core);
}
function withdraw(core, m) {
  if (!m.t) take(core, [m]);
}
function accept(core, writer, n) {
  const accepted = core.outbox.queue.filter((m) => m.w === writer && m.n <= n);
  if (accepted[0]) take(core, accepted);
  for (const m of accepted) m.ok?.();
  return accepted.length;
}
function giveBack(core, messages2, error, id = core.client.id) {
  if (!messages2[0]) return;
  take(core, messages2);
  for (const m of messages2) m.no?.(error);
  tell(core, "mirage-returned", { id, error, messages: messages2.map(outside) });
}
function nextBatch(core, most, longest, more, requests = "") {
  const { address, outbox: { queue, count: count2 } } = core;
  const { w = address.cid, n = count2 + 1, a } = queue[0] || {};
  let size = 0, full;
  const batch = queue.filter((m, i) => !(full ||= i >= most || m.w !== w || m.n !== n + i || m.a !== a || (size += m.d.length) > longest && i));
  const ack = acknowledgement(core);
  const up = { writer: w, base: n, ack, again: !!a, ...more };
  let body = `event: mirage-up
data: ${JSON.stringify(up)}

${requests}`;
  for (const m of batch) {
    m.t = 1;
    body += block(m);
  }
  return { batch, w, ack, body };
}

// src/requests.js
var LARGEST = 3072;
var MOST_BLOCKS = 5;
var MOST_NAMES = 200;
var namesToLeave = ({ topics: { all, toLeave } }) => [...toLeave].filter((name) => !all.get(name)?.owed);
var topicsToJoin = ({ topics }) => [...topics.all.values()].filter((t) => t.ask && t.rooms.size && !t.stale);
var hasRequests = (core) => namesToLeave(core)[0] || topicsToJoin(core)[0];
function takeRequests(core, link) {
  const { toLeave } = core.topics;
  const blocks = [], names = [], topics = [];
  const add = (event, json) => {
    if (names.length + topics.length === MOST_NAMES) return;
    const size = sizeOf(json) + 1;
    let last = blocks.at(-1);
    if (last?.event !== event || last.size + size > LARGEST) {
      if (blocks.length === MOST_BLOCKS) return;
      blocks.push(last = { event, size: 0, list: [] });
    }
    last.size += size;
    last.list.push(json);
    return true;
  };
  for (const name of namesToLeave(core)) {
    if (!add("mirage-leave", JSON.stringify(name))) break;
    toLeave.delete(name);
    names.push(name);
  }
  for (const t of topicsToJoin(core)) {
    const { name: topic, position, came, from, info } = t;
    const start2 = JSON.stringify({ topic, from: position || came || from }).slice(0, -1);
    const json = start2 + (info ? `,"info":${info}}` : "}");
    if (toLeave.has(topic) || !add("mirage-join", json)) break;
    topics.push(t);
    t.link = link.token;
    awaitAnswer(core, t);
  }
  const text = blocks.map(({ event, list: list2 }) => `event: ${event}
data: {"topics":[${list2}]}

`).join("");
  return { text, names, topics };
}
function askAgain(core, { names, topics }) {
  const { all, toLeave } = core.topics;
  for (const name of names) toLeave.add(name);
  for (const { name } of topics) {
    const t = all.get(name);
    if (t) Object.assign(t, { owed: false, stale: false, ask: true });
  }
}

// src/storage.js
var MEMORY = 18e5;
var isText = (value) => typeof value === "string" && value.length < 4096 && /^[!-~]*$/.test(value);
var isCount = (n, least) => Number.isSafeInteger(n) && n >= least;
function isMessage(m) {
  try {
    decode(m.d, m.x);
    return /^[\w-]{22,64}$/.test(m.w) && isCount(m.n, 1) && [m.e, m.d].every((is) => typeof is === "string") && !/[\r\n]/.test(m.e);
  } catch {
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
    id: isText(id) ? id : "",
    position: isText(position) ? position : "",
    signed: isText(signed) ? signed : void 0,
    queue: Array.isArray(queue) ? queue.filter(isMessage).map(({ w, n, e, d, x, t, a }) => ({ w, n, e, d, x, t, a })) : [],
    bad: {},
    again: isCount(again, -1) ? again : 0
  };
  for (const name in bad) if (bad[name] <= Date.now() + MEMORY) kept.bad[name] = bad[name];
  return kept;
}
function load({ client, record, options }) {
  record.key = "mirage:" + (options.name || client.url.replace(/^([^?#]*)\/(?=[?#]|$)/, "$1"));
  try {
    const { storage = globalThis.document && sessionStorage } = options;
    record.storage = storage;
    record.text = storage.getItem(record.key);
  } catch {
  }
  return parse(record.text);
}
function others(core) {
  const { record } = core;
  try {
    const now = record.storage.getItem(record.key);
    if (now !== record.text) record.others = parse(now).queue.filter((m) => !knows(core, m));
  } catch {
  }
  return record.others;
}
function write({ record }, value) {
  const text = JSON.stringify(value);
  try {
    record.storage.setItem(record.key, text);
    record.text = text;
    return true;
  } catch {
  }
}
function save(core, clean) {
  const { client, record } = core;
  if (!record.storage) return;
  const value = {
    id: client.id,
    position: client.position,
    signed: core.address.signed,
    bad: core.race.bad,
    again: core.links.live && !clean ? -1 : core.inbox.repeats
  };
  const { full } = record;
  record.full = !write(core, { ...value, queue: [...core.outbox.queue, ...others(core)] });
  if (record.full) write(core, { ...value, queue: [] });
  if (full !== record.full) changed(core);
}
function remove(core) {
  const { record } = core, queue = others(core);
  try {
    if (!queue[0]) record.storage.removeItem(record.key);
    else write(core, { id: core.client.id, queue });
  } catch {
  }
  record.storage = void 0;
}

// src/sender.js
var LONGEST_ANSWER = 15e3;
var MOST = 100;
var LONGEST2 = 16384;
var ACK_AFTER = 16;
var ACK_WITHIN = 500;
var KEEPALIVE = 6e4;
function soon(core) {
  const { sender } = core;
  sender.timer ||= setTimeout(() => {
    sender.timer = 0;
    save(core);
    if (sender.unacked) flush(core);
  }, ACK_WITHIN);
}
function calm({ sender }) {
  clearTimeout(sender.timer);
  sender.timer = 0;
}
function flush(core) {
  core.sender.due ||= core.sender.unacked;
  pump(core);
}
function count(core) {
  if (++core.sender.unacked >= ACK_AFTER || isHidden()) flush(core);
  else soon(core);
}
async function pump(core) {
  const { sender, links, outbox } = core;
  if (sender.busy) return;
  sender.busy = true;
  while (links.live && (sender.due || outbox.queue[0] || hasRequests(core))) await send(core, links.live);
  sender.busy = false;
}
function next(core, most, longest, more, requests) {
  const batch = nextBatch(core, most, longest, more, requests);
  core.sender.due = core.sender.unacked = 0;
  save(core);
  return batch;
}
async function send(core, link) {
  const { sender } = core;
  const asked = hasRequests(core) ? takeRequests(core, link) : void 0;
  const { batch, w, ack, body } = next(core, asked ? 0 : sender.most, LONGEST2, {}, asked?.text);
  const abort = sender.abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), LONGEST_ANSWER);
  try {
    const { accepted, failed = [] } = await say(core, link, body, abort.signal, batch[0], asked) || 0;
    noteAcked(core, ack);
    giveBack(core, batch.filter((m) => failed.includes(m.n)), failure("the handler failed", 500));
    if (!accept(core, w, accepted) && core.outbox.queue.includes(batch[0])) throw failure("not accepted");
    if (sender.most < MOST) sender.most++;
    if (batch[0] || !link.socket) settle(core);
  } catch (error) {
    await recover(core, link, { batch, w, asked }, error || failure("no answer"), abort.signal.aborted);
  }
  clearTimeout(timer);
}
function settle(core) {
  core.sender.tries = 0;
  reached(core);
}
async function recover(core, link, { batch, w, asked }, error, aborted) {
  const { sender } = core;
  if (!batch[0]) sender.due = 1;
  if (asked && error.unfit) {
    refuseAll(core, asked, error);
    return settle(core);
  }
  if (asked && link === core.links.live) askAgain(core, asked);
  if (error.unfit && batch[0]) {
    sender.most = batch.length + 1 >> 1;
    if (!batch[1]) giveBack(core, batch, error);
    return settle(core);
  }
  if (error.final && !error.foreign) return finish(core, 4e3 + error.status, error.message);
  if (core.links.live?.token !== link.token || accept(core, w, error.expected - 1)) return;
  if (error.status === 401 && !error.foreign) return over(core, link, error);
  const attempt = ++sender.tries;
  const delay = aborted ? 0 : delayBefore(attempt, error, core.options.maxDelay);
  showStalled(core, aborted || attempt > 1);
  if (attempt > 1) tell(core, "mirage-retry", { what: "send", topic: "", error, attempt, delay });
  if (aborted) over(core, link, error);
  else await sleep(delay, (done) => {
    sender.hurry = done;
  });
}
function refuseAll(core, { topics }, error) {
  for (const t of topics) refuse(core, t, error);
}
async function say(core, link, body, signal, wait, asked) {
  const { socket, token } = link;
  if (!socket) return post(core, token, body, signal);
  const answered = new Promise((ok, no) => {
    link.answer = (answer) => answer.status === 200 ? ok(answer) : no(Object.assign(failure(answer.detail, answer.status), answer));
    signal.onabort = () => no();
  });
  socket.readyState > 1 || socket.send(body);
  if (wait) return answered;
  answered.catch((error) => error && asked && refuseAll(core, asked, error));
}
async function post(core, token, body, signal) {
  const { url } = core.client;
  const keepalive = isHidden() && body.length < LONGEST2;
  const answer = await check(await request(core, "POST", token, { body, signal, keepalive }), url);
  if (isEventStream(answer)) {
    discard(answer);
    throw failure("redirected");
  }
  const result = await answer.json().catch(() => 0);
  if (!(result.accepted >= 0)) throw foreign(answer, url);
  adopt(core, answer);
  return result;
}
function farewell(core, token, more) {
  const isLong = () => new Blob([body]).size > KEEPALIVE;
  let longest = KEEPALIVE, batch, body;
  do {
    ({ batch, body } = next(core, MOST, longest, more));
    longest /= 2;
  } while (isLong() && batch[1]);
  if (isLong()) body = body.split("\n\n", 1) + "\n\n";
  request(core, "POST", token, { body, keepalive: true }).catch(() => 0);
}

// src/target.js
var MOST_WAITING = 1e3;
var newListeners = (made) => ({ made, heard: /* @__PURE__ */ new Set(), taps: /* @__PURE__ */ new Set() });
function payload(e, type) {
  const { data, key, text, done } = e;
  if (data == null) return e.mirage ?? e;
  if (text != null) return { key, piece: data, text, done };
  return type === "message" || data instanceof ArrayBuffer ? data : JSON.parse(data);
}
var Target = class extends (globalThis.EventTarget || Object) {
  #listeners;
  constructor(listeners) {
    super();
    listeners.target = this;
    this.#listeners = listeners;
  }
  addEventListener(type, listener, options) {
    this.#listeners.heard.add(type);
    super.addEventListener(type, listener, options);
  }
  /**
   * on calls listener with the payload of each event: its data, parsed if the event has a
   * name. It returns the function that removes the listener.
   */
  on(type, listener, options) {
    const call = (e) => {
      const result = listener(payload(e, type), e);
      if (result?.then) e.waitUntil?.(result);
    };
    this.addEventListener(type, call, options);
    return () => this.removeEventListener(type, call, options);
  }
  /** once is on, for one event. */
  once(type, listener) {
    return this.on(type, listener, { once: true });
  }
  [Symbol.asyncIterator]() {
    return messages(this.#listeners);
  }
};
function dispatch({ options }, { target, made, heard, taps }, e, promises) {
  if (!heard.has(e.type) && !taps.size && !target["on" + e.type]) {
    heard.add(e.type);
    console.warn(`mirage: '${e.type}' came before its listener: add it right after ${made}`);
  }
  if (options.ackAfter === "promise") e.waitUntil = (promise) => promises.push(promise);
  target.dispatchEvent(e);
  for (const tap of taps) tap(e);
}
var endLoops = ({ taps }) => {
  for (const tap of taps) tap();
};
var sizeOf2 = ({ data }) => data.length ?? data.byteLength;
async function* messages(listeners) {
  const { taps, bytes } = listeners;
  let waiting = [];
  let size = 0, { ended } = listeners, ring;
  const tap = (e) => {
    if (e) {
      let done;
      e.waitUntil?.(new Promise((resolve) => {
        done = resolve;
      }));
      waiting.push([e, done]);
      size += sizeOf2(e);
      if (waiting.length > MOST_WAITING || size > bytes) leave3();
    } else {
      ended = true;
    }
    ring?.();
  };
  const leave3 = () => {
    taps.delete(tap);
    for (const [, done] of waiting) done?.();
    waiting = void 0;
  };
  taps.add(tap);
  try {
    while (!waiting || waiting[0] || !ended) {
      if (!waiting) throw failure("the loop is too slow");
      if (waiting[0]) {
        const [[e, done]] = waiting;
        yield e;
        waiting?.shift();
        size -= sizeOf2(e);
        done?.();
      } else {
        await new Promise((wake) => {
          ring = wake;
        });
      }
    }
  } finally {
    if (waiting) leave3();
  }
}

// src/inbox.js
function reset({ client, inbox }, position) {
  inbox.came = client.position = position;
  inbox.resets++;
}
var report = (error) => new Promise((done) => {
  setTimeout(() => {
    setTimeout(done);
    throw error;
  });
});
function noteNews(core, link) {
  link.news = true;
  if (core.page.offline) reached(core);
}
var newMessage = (type, data, lastEventId, { again = false, topic = "", key = "", text, done }) => Object.assign(new MessageEvent(type, { data, lastEventId }), { again, topic, key, text, done });
function receive(core, link, { id, event, data, key }) {
  const { client, inbox } = core;
  const [epoch, seq] = epochAndNumber(inbox.came), [other, n] = epochAndNumber(id);
  if (other !== epoch) throw failure("epoch");
  if (n - seq <= 0) return;
  const { resets } = inbox;
  const promises = [];
  noteNews(core, link);
  inbox.came = id;
  if (event === "mirage-gap") {
    const about = JSON.parse(data);
    tell(core, event, { topic: "", ...about, from: Math.max(about.from, +seq + 1) });
  } else if (!event.startsWith("mirage") && data != null) {
    dispatch(core, core.listeners, newMessage(event, data, id, { key, again: n <= inbox.repeats }), promises);
  }
  whenHandled(core, link, promises, () => {
    if (resets !== inbox.resets) return;
    client.position = id;
    return true;
  });
}
function whenHandled(core, link, promises, move) {
  const { inbox } = core, { pending } = inbox;
  const moved = () => {
    if (move() && link.name !== "poll") count(core);
  };
  if (!promises[0] && !pending) return moved();
  const last = inbox.pending = Promise.all([pending, ...promises]).catch(report).then(() => {
    moved();
    if (inbox.pending === last) inbox.pending = void 0;
  });
}

// src/link.js
function newLink(name, path, turn) {
  const link = { name, path, turn, control: new AbortController() };
  link.hello = new Promise((ok, no) => Object.assign(link, { ok, no }));
  link.hello.catch(() => 0);
  return link;
}
function watch(link, ms) {
  clearTimeout(link.timer);
  if (ms) {
    link.timer = setTimeout(() => {
      link.late = true;
      link.control.abort(failure("silence"));
    }, ms);
  }
}
function end(link, error) {
  watch(link);
  link.control.abort(error);
  link.no(error);
}
function place(core, link, more) {
  const { address, client, links } = core;
  link.from = positions(core);
  const _was = links.last && !address.signed ? client.id : null;
  return { _pos: link.from, _was, _wait: null, lastEventId: null, ...more };
}
function feeder(link, take3) {
  const spoken = () => {
    if (link.token && link.name !== "poll") {
      link.spoke = true;
      watch(link, link.beat && 2 * link.beat + 5e3);
    }
  };
  const feed = parser((block2) => {
    spoken();
    take3(block2);
  });
  return (piece) => {
    link.heard = Date.now();
    spoken();
    feed(piece);
  };
}

// src/transports/stream.js
async function open(core, link, more) {
  const { url } = core.client;
  save(core);
  const answer = await request(core, "GET", link.token, { signal: link.control.signal }, place(core, link, more));
  if (isEventStream(await check(answer, url))) return answer;
  throw foreign(answer, url);
}
async function read({ body }, feed) {
  const reader = body.getReader();
  for (let read2; !(read2 = await reader.read()).done; ) feed(read2.value);
}
async function stream(core, link, fresh) {
  const answer = await open(core, link);
  if (!answer.body?.getReader) throw failure("fetch() cannot stream here", 501);
  await read(answer, fresh());
}

// src/transports/poll.js
var WAIT = 25;
var LONGEST3 = 35e3;
var EARLY = 1e3;
async function poll(core, link, fresh) {
  let early = 0;
  do {
    if (link.token) watch(link, LONGEST3);
    const asked = performance.now();
    link.news = false;
    const answer = await open(core, link, { _wait: WAIT });
    noteAcked(core, link.from);
    reached(core);
    const feed = fresh();
    if (answer.body?.getReader) await read(answer, feed);
    else feed(await answer.text());
    watch(link);
    await core.inbox.pending;
    if (link.news || performance.now() - asked > EARLY) early = 0;
    else if (++early > 3) throw failure("polls bring nothing new: a cache in between?");
    else await sleep(EARLY);
  } while (link.token && link.drain == null && !link.control.signal.aborted);
}

// src/transports/websocket.js
var websocket = (core, link, fresh) => new Promise((_, no) => {
  const socket = new (core.options.WebSocket || WebSocket)(to(core, place(core, link)).replace("http", "ws"));
  const feed = fresh();
  link.socket = socket;
  link.control.signal.onabort = () => no(socket.close());
  socket.onmessage = ({ data }) => {
    try {
      feed(data);
    } catch (error) {
      no(error);
    }
  };
  socket.onerror = () => 0;
  socket.onclose = ({ code, reason }) => {
    const [text, seconds] = (reason || "").split(/; retry in (\d+) s$/);
    no(Object.assign(failure(text || "closed " + code, Math.max(0, code - 4e3)), { retry: delayOf(seconds) }));
  };
});

// src/race.js
var SOON = 1e4;
var carriers = { websocket, sse: stream, poll };
function order({ options, race }, all) {
  const rank = (name) => name === race.chosen ? -1 : !all && (race.bad[name] > Date.now() || name === race.mute);
  return [...options.transports].sort((a, b) => rank(a) - rank(b));
}
async function run(core, names, again) {
  const { race } = core, { live } = core.links;
  const time = core.options.fallbackAfter / (again ? 2 : 1);
  const tried = [];
  let won, why;
  const attempt = async (name) => {
    const link = start(core, name);
    let failed2, wake;
    tried.push(link);
    const done = link.hello.then(() => {
      won = link;
    }, (error) => {
      failed2 = why = error;
    });
    await Promise.race([done, sleep(time, (awake) => {
      wake = awake;
    })]);
    wake();
    return isActive(core) && live === core.links.live && (!failed2 || failed2.other || !failed2.status);
  };
  for (const name of names) {
    if (!await attempt(name) || again && !why && !await attempt(name)) break;
  }
  if (!again || why) await Promise.any(tried.map((link) => link.hello)).catch(() => 0);
  if (!won) return why || failure("silence");
  if (!core.links.live) return;
  const failed = tried.slice(0, tried.indexOf(won)).filter((link) => link.name !== won.name);
  const astray = failed.find(({ name, path }) => name === "websocket" && path !== core.address.base.pathname);
  avoid(core, [race.mute, ...failed.filter((link) => link !== astray).map((link) => link.name)]);
  race.mute = void 0;
  delete race.bad[won.name];
  if (astray) run(core, [astray.name]).then((error) => {
    if (error && core.links.live) avoid(core, [astray.name]);
  });
}
function avoid({ race: { bad, worked } }, names) {
  for (const name of names) if (name && !worked.has(name)) bad[name] = Date.now() + MEMORY;
}
function start(core, name) {
  const link = newLink(name, core.address.base.pathname, core.race.turn);
  log(core, "trying", name);
  core.links.all.add(link);
  watch(link, core.options.timeout);
  const { signal } = link.control;
  const ended = new Promise((done) => signal.addEventListener("abort", done));
  Promise.race([ended, carry(core, link)]).catch((error) => error).then((error) => over(core, link, signal.aborted ? signal.reason : error ?? failure("ended")));
  return link;
}
async function carry(core, link) {
  const { signal } = link.control;
  if (renews(core)) {
    await renew(core);
    signal.throwIfAborted();
  }
  try {
    await carriers[link.name](core, link, () => feeder(link, (block2) => take2(core, link, block2)));
  } catch (error) {
    if (!error?.status && !link.token && core.options.transports.every((name) => name === "websocket")) {
      const answer = await request(core, "GET", void 0, { signal }, place(core, link, { _wait: 0 }));
      discard(await check(answer, core.client.url));
    }
    throw error;
  }
}
function improve(core, name) {
  const { upgradeEvery } = core.options, { race } = core;
  const [better] = order(core, true);
  clearTimeout(race.probe);
  if (better === name || !upgradeEvery || !core.links.live) return;
  const look = () => {
    run(core, [better]);
    race.probe = setTimeout(look, upgradeEvery);
  };
  const soon3 = Math.min(SOON * 2 ** race.doubts, upgradeEvery);
  race.probe = setTimeout(look, race.worked.has(better) ? soon3 : upgradeEvery);
}
async function prefer(core, name) {
  const { race } = core;
  const before2 = race.chosen;
  race.chosen = name;
  race.turn++;
  if (!isActive(core)) return;
  const why = await run(core, name ? [name] : order(core, true));
  if (!why) return;
  if (race.chosen === name) race.chosen = before2;
  throw why;
}

// src/hello.js
var SECOND_SIGN = 3e3;
function greet(core, link, hello, position) {
  const { address, client, inbox, links, outbox, sender } = core;
  const { id, reason } = hello;
  const [epoch, seq] = epochAndNumber(inbox.came), [now, n] = epochAndNumber(position);
  const old = epoch === now && link.from.indexOf(epoch);
  const resumed = old || hello.resumed;
  const lost = !old && reason !== "trimmed" && hello.lost;
  const known = client.id, was = client.mirage, first = !links.last;
  if (known && known !== id && known !== hello.previous) {
    client.id = id;
    giveBack(core, outbox.queue, failure("the id has changed", 409), known);
  }
  if (!resumed) for (const m of outbox.queue) m.a = m.t;
  inbox.repeats = epoch === now && (inbox.repeats < 0 ? hello.sent : inbox.repeats);
  if (lost || epoch !== now || n - seq > 0) reset(core, position);
  client.id = id;
  if (address.signed != null) address.signed = hello.mirage || address.signed;
  client.mirage = address.signed ?? id;
  link.news ||= !link.token;
  link.token = hello.link;
  link.beat = hello.heartbeat;
  link.born = Date.now();
  welcome(core, link);
  if (link.name !== "poll") {
    watch(link, link.beat && SECOND_SIGN);
    sender.due = 1;
  }
  rejoin(core, link);
  accept(core, address.cid, hello.accepted);
  save(core);
  change(core, link.name, "transport");
  if (isActive(core)) change(core, "open");
  if (client.readyState > 2) return;
  reached(core);
  if (first) {
    if (address.signed == null) seen(core, true);
    tell(core, "open");
  }
  if (first || !resumed || known !== id || was !== client.mirage) {
    const { previous, resumed: resumed2, lost: lost2, sent } = hello;
    tell(core, "mirage", { id, known, mirage: client.mirage, previous, resumed: resumed2, reason, lost: lost2, sent });
  }
  if (lost) tell(core, "mirage-gap", { ...lost, reason, topic: "" });
  improve(core, link.name);
  sender.hurry?.();
  pump(core);
}

// src/growing.js
var MOST2 = 64;
var LONGEST4 = 1 << 20;
function grow({ growing }, { event, key, data = "", grow: offset, done }, n, isKnown) {
  const bytes = data.big ? new TextEncoder().encode(data) : new Uint8Array(data);
  const name = event + "\n" + key;
  const known = offset || isKnown ? growing.get(name) : void 0;
  if (isKnown && n < known?.first) return;
  const { size = offset, text = "", first = n } = known ?? {};
  const piece = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(Math.max(0, size - offset)));
  if (known && !piece && (known.done || !done)) return;
  const end3 = Math.max(size, offset + bytes.length);
  const now = { event, key, first, text: end3 > LONGEST4 ? text : text + piece, size: end3, done: done || !!known?.done };
  if (!known) {
    growing.delete(name);
    makeRoom(growing);
  }
  growing.set(name, now);
  return { piece, text: now.text, done: now.done };
}
function makeRoom(growing) {
  if (growing.size < MOST2) return;
  const names = [...growing.keys()];
  growing.delete(names.find((name) => growing.get(name).done) ?? names[0]);
}
function textOf({ growing }, key, event) {
  const found = [...growing.values()].reverse().find((m) => m.key === key && (event ?? m.event) === m.event);
  return found?.text ?? "";
}

// src/room.js
var Room = class extends Target {
  state = "joining";
  // then joined, left
  #core;
  constructor(core, { name, position, members, count: count2, key }, listeners) {
    super(listeners);
    this.#core = core;
    this.topic = name;
    Object.assign(this, { position, members, count: count2, key });
  }
  /** text returns what there is of a growing message. */
  text(key, event) {
    const t = this.#core.topics.all.get(this.topic);
    return t?.rooms.has(this) ? textOf(t, key, event) : "";
  }
  /** leave ends this room. The topic is left with the last room that it has. */
  leave() {
    leave(this.#core, this);
  }
};
function newRoom(core, t) {
  const listeners = Object.assign(newListeners("join()"), { bytes: core.options.bytes });
  const room = new Room(core, t, listeners);
  room.ready = new Promise((ok, no) => t.rooms.set(room, { listeners, ok, no }));
  room.ready.catch(() => 0);
  return room;
}
function tellRoom(core, room, type, more) {
  log(core, room.topic, type, more);
  room.dispatchEvent(Object.assign(new Event(type), more));
}
function tellRooms(core, t, type, more) {
  for (const room of [...t.rooms.keys()]) if (t.rooms.has(room)) tellRoom(core, room, type, more);
}
function enter(core, t, room, { position, lost = null, reason = "" }) {
  if (!t.rooms.has(room) || room.state === "joined" && !lost) return;
  room.state = "joined";
  room.key = t.key;
  t.rooms.get(room).ok();
  tellRoom(core, room, "mirage-joined", { position, lost, reason });
}
function quit(core, t, room, error, isOwn) {
  const { listeners, no } = t.rooms.get(room);
  t.rooms.delete(room);
  Object.assign(room, { state: "left", members: /* @__PURE__ */ new Map(), count: 0 });
  no(error);
  listeners.ended = true;
  endLoops(listeners);
  log(core, room.topic, "left:", error.message);
  if (!isOwn) tellRoom(core, room, "mirage-left", { status: error.status, reason: error.message });
}

// src/topic_inbox.js
function takeTopic(core, link, block2, about) {
  const { id, event } = block2, name = block2.topic || about.topic;
  const isJoined = event === "mirage-joined", isLeft = event === "mirage-left", isMembers = event === "mirage-members";
  noteNews(core, link);
  const t = find(core, name, id) || !isLeft && !isMembers && newTopic(core, name || epochAndNumber(id)[0], true);
  if (!t || isStale(core, t, isJoined || isLeft)) return;
  if (isLeft) return takeLeft(core, t, about);
  if (isMembers) return takeMembers(core, t, about);
  const [epoch, seq] = epochAndNumber(t.came), [other, n] = epochAndNumber(id ?? "");
  const isKnown = epoch === other && n - seq <= 0 && !t.anew;
  if (isJoined) t.anew = false;
  const { anew } = t;
  if (isKnown) t.acked = "";
  else if (id) t.came = id;
  const promises = [];
  if (event === "mirage-gap") {
    const isOurs = epoch === other || !id && about.to != null;
    if (!isKnown) tellGap(core, t, about, isOurs ? +seq || 0 : 0);
  } else if (!about && (block2.data ?? block2.grow) != null) {
    deliver(core, t, block2, +n || 0, isKnown, promises);
  }
  whenHandled(core, link, promises, () => {
    if (isKnown || !id || anew) return isKnown;
    t.position = id;
    for (const room of t.rooms.keys()) room.position = id;
    return true;
  });
  if (isJoined) settle2(core, t, about);
}
var takeLeft = (core, t, { status, reason, retry }) => refuse(core, t, Object.assign(failure(reason, status), { retry }));
function tellGap(core, t, { from, to: to2, reason }, seq) {
  if (to2 != null && to2 <= seq) return;
  const gap = { topic: t.name, from: Math.max(from, seq + 1), to: to2, reason };
  if (t.rooms.size) tellRooms(core, t, "mirage-gap", gap);
  else tell(core, "mirage-gap", gap);
}
function deliver(core, t, block2, n, isKnown, promises) {
  const { id = "", event, data, key } = block2;
  const about = block2.grow != null ? grow(t, block2, n, isKnown) : !isKnown && { piece: data };
  if (!about) return;
  const hand = (listeners) => dispatch(core, listeners, newMessage(event, about.piece, id, { ...about, key, topic: t.name }), promises);
  if (!t.rooms.size) return hand(core.listeners);
  for (const [room, { listeners }] of [...t.rooms]) if (t.rooms.has(room)) hand(listeners);
}
function takeMembers(core, t, about) {
  const { count: count2, members, joined = members ?? [] } = about;
  let { left = [] } = about;
  if (members) left = [...t.members.keys()].filter((key) => !members.some((m) => m.key === key));
  if (!about.joined && !about.left) t.members.clear();
  for (const key of left) t.members.delete(key);
  for (const { key, info } of joined) t.members.set(key, info);
  t.count = count2;
  for (const room of t.rooms.keys()) room.count = count2;
  tellRooms(core, t, "mirage-members", { count: count2, joined, left });
}

// src/links.js
var YOUNG = 1e4;
var WORKS = 2e3;
var QUICK2 = 6e4;
var AGAIN = 1e3;
var ANSWER = 700;
var isQuick = ({ links }) => links.last && !isHidden() && performance.now() - links.lostAt < QUICK2;
async function loop(core, wait) {
  const { links } = core;
  if (links.looping) {
    links.pause = wait;
    return links.wake?.();
  }
  links.looping = true;
  const isFirst = !core.client.id && core.address.signed == null && !seen(core);
  const done = isFirst && await firstVisit(core.address.base.origin, core.options.timeout);
  for (; ; ) {
    if (wait && isActive(core)) await sleep(wait, (awake) => {
      links.wake = awake;
    });
    links.wake = links.pause = wait = void 0;
    if (!isActive(core) || links.live) break;
    links.triedAt = performance.now();
    const error = await run(core, order(core), isQuick(core));
    if (done) done();
    if (!isActive(core) || links.live) continue;
    if (error && !error.status) {
      links.strikes = 0;
      core.race.mute = void 0;
    }
    wait = error ? complain(core, error, ++links.failures, isQuick(core)) : links.pause ?? delayBefore(links.strikes, failure("ended"), core.options.maxDelay);
  }
  if (done) done();
  links.looping = false;
}
function complain(core, error, attempt, quick) {
  const delay = delayBefore(attempt, error, core.options.maxDelay, quick);
  core.links.asked = error.retry;
  if (core.links.last) change(core, "reconnecting");
  tell(core, "mirage-retry", { what: "connect", topic: "", error, attempt, delay });
  return delay;
}
function hurry({ links }) {
  if (!links.live && !links.asked && performance.now() - links.triedAt > AGAIN) links.wake?.();
}
function welcome({ links, sender }, link) {
  if (links.live !== link) {
    sender.abort.abort();
    for (const other of links.all) {
      if (other !== link && other.turn <= link.turn) end(other, failure("replaced"));
    }
  }
  links.live = links.last = link;
  links.failures = links.asked = 0;
  link.ok();
}
function over(core, link, error) {
  const { links, race } = core;
  log(core, link.name, "ended:", error.message);
  links.all.delete(link);
  end(link, error);
  const isSpare = links.live && links.live !== link;
  if (error.final && !(isSpare && error.foreign) || error.other && !isSpare && !core.options.transports[1]) {
    return finish(core, 4e3 + error.status, error.message);
  }
  if (link !== links.live) return;
  const age = Date.now() - link.born;
  const young = age < YOUNG && !(link.drain > 0);
  links.strikes = young ? Math.min(3, links.strikes + 1) : 0;
  if (!young || link.spoke && age > WORKS) race.worked.add(link.name);
  if (!young) race.doubts = 0;
  if (links.strikes > 1 || link.late && !link.spoke) {
    race.mute = link.name;
    race.doubts++;
  }
  links.lostAt = performance.now();
  forget(core);
  if (!isActive(core)) return;
  const delay = links.strikes > 2 ? complain(core, error, links.strikes) : delayBefore(links.strikes - 2, error, core.options.maxDelay);
  links.asked = link.drain ?? error.retry;
  loop(core, Math.max(delay, link.drain > 0 ? Math.min(link.drain, HOUR) : 0));
}
function forget({ links, race, sender }) {
  links.live = void 0;
  sender.abort.abort();
  clearTimeout(race.probe);
}
function drop(core) {
  for (const link of core.links.all) end(link, failure("dropped"));
  core.links.rest?.();
  restAll(core);
  forget(core);
  core.links.wake?.();
  core.sender.hurry?.();
}
async function refresh(core, gently) {
  const { links } = core, { live } = links;
  if (!live) return links.wake?.();
  if (gently && Date.now() - live.heard <= 1.2 * (live.beat || 15e3) + 2e3) return;
  const look = links.look = {};
  const isLive = () => links.look === look && links.live === live && isActive(core);
  const pause = (ms) => sleep(ms, (done) => {
    links.rest = done;
  });
  links.rest?.();
  for (let i = 0; i < 4 && isLive(); i++) {
    run(core, i ? [live.name] : order(core, true));
    await pause(ANSWER);
  }
  if (!isLive()) return;
  const began = Date.now();
  await pause(core.options.timeout);
  if (isLive() && live.heard < began) over(core, live, failure("silence"));
}
function take2(core, link, block2) {
  if (link.control.signal.aborted) return;
  const { id, event, data } = block2;
  const about = event.startsWith("mirage") && JSON.parse(data);
  if (event === "mirage") return greet(core, link, about, id.split("_")[0]);
  if (link !== core.links.live) return;
  if (event === "mirage-ack") {
    return about.status ? link.answer?.(about) : core.sender.busy || accept(core, core.address.cid, about.accepted);
  }
  if (event === "mirage-drain") {
    link.news = true;
    link.drain = about.retry;
    return tell(core, event, about);
  }
  if (event === "mirage-end") throw Object.assign(failure(about.reason, about.status), { final: true });
  if (block2.topic || about.topic || id?.[0] === "_") takeTopic(core, link, block2, about);
  else if (id != null) receive(core, link, block2);
}

// src/joins.js
var NAME = /^[\w.:/~-]{1,128}$/;
var FROM = /^(now|start|_\w{10}-\d{1,16})$/;
var LONGEST_INFO = 1024;
var UNANSWERED = 15e3;
var sizeOf = (text) => new TextEncoder().encode(text).length;
var soon2 = (core) => queueMicrotask(() => pump(core));
function join(core, topic, { from, info } = {}) {
  const { all } = core.topics, name = "" + topic, text = JSON.stringify(info);
  if (core.client.readyState > 1) throw failure("closed", 410);
  if (!NAME.test(name)) throw failure("not a name of a topic: " + name, 400);
  if (!FROM.test(from ||= "now")) throw failure("from is 'now', 'start' or a position", 400);
  if (text && sizeOf(text) > LONGEST_INFO) throw failure("the info is too long", 413);
  const old = all.get(name);
  const wasLeft = old?.state === "left";
  const t = !old || wasLeft ? newTopic(core, name) : old;
  if (wasLeft) {
    rest(old);
    Object.assign(t, { anew: true, link: old.link, owed: old.owed, stale: old.owed });
  }
  const isFirst = !t.rooms.size;
  if (isFirst) Object.assign(t, { state: "joining", from });
  const room = newRoom(core, t);
  log(core, name, "joining");
  if (t.state === "joined") queueMicrotask(() => enter(core, t, room, t));
  if (isFirst || text && text !== t.info) {
    t.info = text;
    schedule(core, t);
  }
  hurry(core);
  soon2(core);
  return room;
}
function leave(core, room) {
  const { all, toLeave } = core.topics, t = all.get(room.topic);
  if (!t?.rooms.has(room)) return;
  quit(core, t, room, failure("left"), true);
  if (t.rooms.size) return;
  const isAsked = t.link && t.link === core.links.live?.token;
  if (!isAsked || !t.owed) rest(t);
  if (isAsked) toLeave.add(t.name);
  if (t.whole) t.state = "joined";
  else if (isAsked) t.state = "left";
  else all.delete(t.name);
  soon2(core);
}
function rest(t) {
  clearTimeout(t.timer);
  t.ask = false;
}
var restAll = ({ topics }) => topics.all.forEach(rest);
function askAfter(core, t, delay) {
  rest(t);
  t.ask = delay <= 0;
  if (!t.ask) {
    t.timer = setTimeout(() => {
      t.ask = true;
      t.owed = t.stale = false;
      pump(core);
    }, delay);
  }
}
function awaitAnswer(core, t) {
  askAfter(core, t, UNANSWERED);
  t.owed = true;
}
function schedule(core, t) {
  if (t.stale) awaitAnswer(core, t);
  else askAfter(core, t, t.until - performance.now());
}
function rejoin(core, link) {
  const { all, toLeave } = core.topics;
  toLeave.clear();
  for (const t of all.values()) {
    rest(t);
    t.acked = "";
    if (t.anew) t.came = "";
    t.anew = false;
    t.owed = t.stale = false;
    if (t.state === "left") all.delete(t.name);
    if (t.rooms.size) schedule(core, t);
  }
  noteAcked(core, link.from);
}
function isStale(core, t, isAnswer) {
  const wasStale = t.stale || t.state === "left";
  if (isAnswer && t.owed) {
    clearTimeout(t.timer);
    t.owed = t.stale = false;
    if (wasStale && t.rooms.size) schedule(core, t);
    soon2(core);
  }
  return wasStale;
}
function settle2(core, t, about) {
  t.state = "joined";
  t.tries = t.until = 0;
  t.key = about.key ?? "";
  for (const room of [...t.rooms.keys()]) enter(core, t, room, about);
}
function refuse(core, t, error) {
  const { status } = error;
  if (!t.rooms.size || ![429, 503].includes(status)) return end2(core, t, error);
  const attempt = ++t.tries, delay = delayAfterRefusal(attempt, error.retry, core.options.maxDelay);
  t.until = performance.now() + delay;
  t.state = "joining";
  for (const room of t.rooms.keys()) room.state = "joining";
  schedule(core, t);
  tell(core, "mirage-retry", { what: "join", topic: t.name, error, attempt, delay });
}
function end2(core, t, error) {
  const { all } = core.topics;
  rest(t);
  if (all.get(t.name) === t) all.delete(t.name);
  for (const room of [...t.rooms.keys()]) quit(core, t, room, error);
}
function endRooms(core, error) {
  for (const t of [...core.topics.all.values()]) if (t.rooms.size) end2(core, t, error);
}

// src/page.js
function attach(core) {
  const { page } = core;
  if (page.listening) return;
  const { signal } = page.listening = new AbortController();
  page.phase = globalThis.document?.prerendering ? "prerendering" : "shown";
  page.offline = globalThis.navigator?.onLine === false;
  showStalled(core);
  if (isHidden()) hide(core);
  const listen = (target, events) => {
    for (const type in events) target?.addEventListener?.(type, events[type], { signal, passive: true });
  };
  const onUse = () => hurry(core);
  listen(globalThis, {
    online: () => network(core, false),
    offline: () => network(core, true),
    pagehide: (e) => {
      leave2(core, "left");
      if (e.persisted && core.wanted) change(core, "paused");
    },
    pageshow: (e) => e.persisted && show(core),
    pointerdown: onUse,
    keydown: onUse
  });
  listen(globalThis.document, {
    visibilitychange: () => isHidden() ? hide(core) : see(core),
    resume: () => refresh(core),
    prerenderingchange: () => show(core)
  });
  listen(core.options.signal, { abort: () => core.stop() });
  listen(globalThis.navigation, { navigate: (e) => {
    page.reload = e.navigationType === "reload";
  } });
}
function detach({ page }) {
  page.listening?.abort();
  page.listening = void 0;
  clearTimeout(page.timer);
}
function network(core, offline) {
  core.page.offline = offline;
  showStalled(core);
  if (!offline) refresh(core);
}
function hide(core) {
  const { hidden } = core.options, { live } = core.links;
  save(core);
  if (live && core.sender.busy && core.outbox.queue[0]) farewell(core, live.token);
  flush(core);
  if (hidden === "keep") return;
  core.page.timer = setTimeout(() => {
    if (!isActive(core)) return;
    leave2(core, "asleep");
    change(core, "paused");
  }, hidden === "release" ? 0 : hidden);
}
function see(core) {
  clearTimeout(core.page.timer);
  if (core.page.phase === "asleep") show(core);
  else refresh(core, true);
}
function show(core) {
  core.page.phase = "shown";
  if (core.wanted) begin(core);
}
function begin(core) {
  const { links } = core;
  if (!links.live) {
    links.lostAt = performance.now();
    if (isActive(core)) change(core, links.last ? "reconnecting" : "connecting");
  }
  loop(core);
}
var sayGoodbye = (core) => farewell(core, core.page.token, { leaving: true, reload: core.page.reload });
function leave2(core, phase = core.page.phase) {
  const { live, last } = core.links;
  const link = phase === "left" ? last : live;
  core.page.phase = phase;
  core.page.token = link?.token;
  if (link && (core.outbox.queue[0] || core.sender.unacked || link.name === "poll")) sayGoodbye(core);
  save(core, true);
  drop(core);
}
function store(core) {
  const { page } = core;
  if (page.phase === "shown" && !isHidden() && page.listening) return soon(core);
  if (page.saving) return;
  page.saving = true;
  queueMicrotask(() => {
    page.saving = false;
    if (page.phase === "left" && page.token) sayGoodbye(core);
    else save(core);
  });
}

// src/finish.js
function finish(core, code, reason, wasClean = false) {
  if (core.client.state === "closed") return;
  core.wanted = false;
  drop(core);
  calm(core);
  detach(core);
  core.options.signal?.removeEventListener("abort", core.stop);
  change(core, "closed");
  const error = failure(reason || "closed", code);
  giveBack(core, core.outbox.queue, error);
  remove(core);
  endRooms(core, error);
  core.listeners.ended = true;
  endLoops(core.listeners);
  tell(core, "close", { code, reason, wasClean });
}

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
var others2 = ["mirage", "query", "storage", "name", "credentials", "signal", "fetch", "WebSocket"];
var LONGEST5 = 2 ** 31 - 1;
function complete(given) {
  const options = { ...defaults };
  for (const name in given) {
    const value = given[name];
    if (!(name in defaults || others2.includes(name))) console.warn("mirage: there is no option " + name);
    else if (value !== void 0) options[name] = value > LONGEST5 ? LONGEST5 : value;
  }
  options.maxDelay = Math.max(100, options.maxDelay) || defaults.maxDelay;
  options.transports = options.transports.filter((name) => defaults.transports.includes(name));
  if (!options.transports[0]) throw noTransport();
  return options;
}
var noTransport = () => new Error(`no such transport: they are ${defaults.transports}`);

// src/client.js
var READY = { open: 1, closing: 2, closed: 3 };
function post2(core, event, data) {
  const message = enqueue(core, event, data);
  store(core);
  hurry(core);
  pump(core);
  return message;
}
var Mirage = class extends Target {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  state = "connecting";
  // then open, reconnecting, paused, closing, closed
  stalled = "";
  transport = "";
  #core;
  get readyState() {
    return READY[this.state] || 0;
  }
  constructor(url, options) {
    const listeners = newListeners("new Mirage()");
    super(listeners);
    if (!globalThis.EventTarget) throw new TypeError("mirage.js needs a polyfill of EventTarget");
    if (url && typeof url === "object" && !("href" in url)) [url, options] = [, url];
    const core = this.#core = newCore(this, complete(options), listeners);
    this.url = locate(core, url ?? void 0);
    const kept = load(core);
    identify(core, kept.signed);
    this.transports = core.options.transports;
    this.id = kept.id;
    this.mirage = core.address.signed ?? kept.id;
    this.position = core.inbox.came = kept.position;
    core.inbox.repeats = kept.again;
    core.race.bad = kept.bad;
    restore(core, kept.queue);
    for (const type of ["open", "message", "mirage", "close"]) {
      this.addEventListener(type, (e) => this["on" + type]?.(e));
    }
    listeners.heard.clear();
    const { abort, signal, start: start2 } = core.options;
    core.stop = () => abort === "close" ? this.close() : this.release();
    if (abort === "close") signal?.addEventListener("abort", core.stop);
    if (signal?.aborted) core.stop();
    else if (start2 && core.address.base) this.connect();
  }
  /** queued returns the messages that are not accepted yet. */
  queued() {
    return list(this.#core);
  }
  /**
   * send enqueues an unnamed message, text or bytes, which is delivered once. It throws
   * if the queue is full.
   */
  send(data) {
    if (data == null || Object(data) === data && !(data.byteLength >= 0)) {
      throw new TypeError("send() takes text or bytes: emit() takes objects, and await blob.arrayBuffer() for a Blob");
    }
    post2(this.#core, "", data);
  }
  /**
   * emit enqueues a named message in JSON. The promise resolves when the server has
   * accepted it.
   */
  emit(event, data = null, { signal } = {}) {
    let stop;
    const promise = new Promise((ok, no) => {
      signal?.throwIfAborted();
      const text = JSON.stringify(data);
      if (text == null || text === "{}" && {}.toString.call(data) !== "[object Object]") {
        throw new TypeError("emit() takes what JSON can express, and no Map or Blob");
      }
      const message = Object.assign(post2(this.#core, "" + event, text), { ok, no });
      stop = () => {
        withdraw(this.#core, message);
        store(this.#core);
        no(signal.reason);
      };
      signal?.addEventListener("abort", stop);
    });
    promise.catch(() => 0).then(() => signal?.removeEventListener("abort", stop));
    return promise;
  }
  /** join returns a room of a topic, which the client joins on each link. */
  join(topic, options) {
    return join(this.#core, topic, options);
  }
  /**
   * subscribe calls fn now and at every change of state, stalled or transport, as
   * Svelte's stores do.
   */
  subscribe(fn) {
    fn(this);
    const stops = ["state", "stalled", "transport"].map((what) => this.on("mirage-" + what, () => fn(this)));
    return () => stops.forEach((stop) => stop());
  }
  /**
   * use moves to another transport without a break. The promise resolves when that is in
   * use. Without a name the client chooses again.
   */
  async use(transport) {
    if (transport && !defaults.transports.includes(transport)) throw noTransport();
    await prefer(this.#core, transport);
  }
  connect() {
    const core = this.#core;
    if (this.readyState > 1) return;
    if (!core.address.base) throw new TypeError("a relative URL needs a page: " + this.url);
    core.wanted = true;
    attach(core);
    begin(core);
  }
  /** disconnect ends the link and keeps the session. */
  disconnect() {
    const core = this.#core;
    if (this.readyState > 1) return;
    core.wanted = false;
    leave2(core);
    detach(core);
    calm(core);
    change(core, "paused");
  }
  /** release is disconnect for cleanups: it also ends the rooms, and the loops. */
  release() {
    this.disconnect();
    endRooms(this.#core, failure("released", 0));
    endLoops(this.#core.listeners);
  }
  /** close sends what waits, for at most timeout, ends the session and forgets it. */
  async close(code = 1e3, reason = "") {
    const core = this.#core, { links, outbox } = core;
    if (this.readyState > 1) return;
    core.wanted = false;
    change(core, "closing");
    const until = performance.now() + core.options.timeout;
    while (links.live && outbox.queue[0] && performance.now() < until) await sleep(20);
    if (links.live) request(core, "DELETE", links.live.token, { keepalive: true }).catch(() => 0);
    finish(core, code, reason, true);
  }
};
if (Symbol.dispose) Mirage.prototype[Symbol.dispose] = Mirage.prototype.release;
export {
  Mirage,
  Mirage as default,
  parser
};
