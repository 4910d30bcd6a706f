const EMPTY = { records: new Map(), floor: "", newest: "", isReady: false, check: "" };

export function applyPresence(state = EMPTY, message) {
  const isValid = isPresence(message);
  const next = isValid ? merge(state, message) : state;
  const after = presentUsers(next);
  const before = state.isReady ? presentUsers(state) : after;
  return {
    state: toText(state) === toText(next) ? state : next,
    joined: missing(after, before),
    left: missing(before, after),
    isBehind: isValid && !["", hash(after)].includes(next.check),
  };
}

export const presentUsers = ({ records } = EMPTY) =>
  new Map([...records].flatMap(([name, [, n]]) => (n ? [[name, n]] : [])));

const missing = (users, others) => [...users.keys()].filter((name) => !others.has(name)).sort();
const toText = ({ records, ...rest }) => JSON.stringify([...records, rest]);
const isText = (value) => typeof value === "string";

function isPresence(message) {
  const { type, group, asOf, users, gone, snapshot, truncated } = { ...message };
  return type === "presence" && isText(group) && isText(asOf) &&
    new Date(asOf).toJSON() === asOf.replace("Z", ".000Z") &&
    users === Object(users) && !Array.isArray(users) &&
    Object.values(users).every((n) => Number.isSafeInteger(n) && n > 0) &&
    Array.isArray(gone) && gone.every(isText) &&
    [snapshot, truncated].every((flag) => flag === !!flag);
}

function merge(state, { asOf, users, gone, snapshot, truncated, count, checksum }) {
  let { floor, newest, isReady, check } = state;
  const records = new Map(state.records);
  const isList = snapshot && !truncated;
  const set = (name, n) => {
    const [at, current] = records.get(name) ?? [floor, 0];
    if (asOf > at || (asOf === at && n > current)) records.set(name, [asOf, n]);
  };
  for (const name in users) set(name, users[name]);
  for (const name of isList ? [...gone, ...records.keys()] : gone) set(name, 0);
  if (asOf >= newest) [newest, check] = [asOf, checksum == null ? "" : count + checksum];
  if (isList && asOf > floor) floor = asOf;
  return { records, floor: forget(records, floor, newest), newest, isReady: isReady || snapshot, check };
}

function forget(records, floor, newest) {
  const oldest = new Date(new Date(newest) - 36e5).toJSON();
  const times = [...records.values()].flatMap(([at, n]) => (n || at <= floor ? [] : at)).sort();
  floor = times.findLast((at, n) => at < oldest || times[n + 200]) ?? floor;
  for (const [name, [at, n]] of records) if (!n && at <= floor) records.delete(name);
  return floor;
}

function hash(users) {
  let sum = 0;
  for (const [name, n] of users) {
    let value = crc32(name) + Math.imul(n, 0x9e3779b9);
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    sum += value ^ (value >>> 16);
  }
  return users.size + (sum >>> 0).toString(16).padStart(8, 0);
}

function crc32(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  }
  return ~crc;
}

export const enterRoom = (options) =>
  new Promise((resolve, reject) => new Room({ ...options, resolve, reject }));

const jitter = (ms) => Math.random() * ms;

class Room {
  #options; #url; #presence; #session; #socket; #timer; #rosterTimer; #wake; #lose;
  #openedAt; #lostAt; #sequenceId;
  #ackId = 0;
  #rosterAt = 0;
  #failures = 0;
  #listeners = {};
  #absent = [];
  #pending = new Map();
  #life = new AbortController();

  constructor(options) {
    this.#options = options;
    this.#url = new URL(options.negotiate, globalThis.location);
    for (const event in options.on) this.on(event, options.on[event]);
    options.signal?.addEventListener("abort", this.leave);
    for (const type of ["online", "offline", "visibilitychange", "pagehide", "pageshow"]) {
      globalThis.addEventListener?.(type, this.#check, this.#life);
    }
    globalThis.navigator?.connection?.addEventListener("change", this.#check, this.#life);
    this.#run();
  }

  get users() {
    return new Map([[this.userId, 1], ...presentUsers(this.#presence)]);
  }

  on(event, listener) {
    const listeners = (this.#listeners[event] ??= new Set()).add(listener);
    return () => listeners.delete(listener);
  }

  send(data) {
    return new Promise((resolve, reject) => {
      if (this.#life.signal.aborted || this.#pending.size > 99) throw Error("The room is closed or full.");
      const ackId = ++this.#ackId;
      const dataType = isText(data) ? "text" : "json";
      const frame = { type: "sendToGroup", group: this.group, ackId, dataType, data };
      const message = { frame, resolve, reject };
      this.#pending.set(ackId, message);
      if (this.state === "open") this.#send(message);
    });
  }

  async refresh() {
    this.#rosterAt = Date.now();
    const { userId } = this.#options;
    const query = new URLSearchParams(userId && { userId });
    const roster = await this.#call(`groups/${encodeURIComponent(this.group)}/members?${query}`);
    const absent = missing(this.users, new Map(Object.entries(roster.users)));
    const gone = absent.filter((name) => this.#absent.includes(name));
    this.#apply({ ...roster, gone }, absent);
    return roster;
  }

  leave = () => this.#end("closed", Error("You left."));

  #remove(reason = "") {
    this.#end("refused", Object.assign(Error("You were removed" + (reason && ": " + reason)), { reason }));
  }

  #end(state, error) {
    if (this.#life.signal.aborted) return;
    this.#life.abort();
    this.#lose?.(true, error);
    this.#close();
    clearTimeout(this.#rosterTimer);
    this.#options.reject(error);
    this.#reject(error);
    this.#change(state, { error });
  }

  #change(state, details = {}) {
    this.state = state;
    this.#emit("state", state, details);
  }

  #emit(event, ...details) {
    for (const listener of this.#listeners[event] ?? []) (async () => listener(...details))();
  }

  async #run() {
    await this.#change("connecting");
    for (;;) {
      const error = await this.#connect();
      if (/^4(?!08|29)/.test(error.status)) this.#end("refused", error);
      if (this.#life.signal.aborted) return;
      if (this.state === "open" && (this.#lostAt = Date.now()) - this.#openedAt > 5e3) this.#failures = 0;
      await this.#pause(error);
    }
  }

  #pause(error) {
    const { retryAfter } = error;
    const delay = 1e3 * (+retryAfter || 0) + jitter(Math.min(30e3, 1e3 * 2 ** this.#failures++));
    this.#change(this.#openedAt ? "reconnecting" : "connecting", { error, delay });
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, Math.min(delay, 36e5));
      this.#wake = !retryAfter && resolve;
    });
  }

  #connect() {
    this.#close();
    this.#timer = setTimeout(() => this.#lose?.(), 20e3);
    return new Promise((resolve) => {
      const lose = (this.#lose = (isEnd, error = Error("The connection was lost.")) => {
        this.#lose = null;
        if (isEnd) this.#session = null;
        this.#close();
        resolve(error);
      });
      this.#open(lose).catch((error) => lose === this.#lose && lose(false, error));
    });
  }

  async #open(lose) {
    if (Date.now() - this.#lostAt > 30e3) this.#session = null;
    let url = this.#session;
    if (!url) {
      const { userId, group } = this.#options;
      const body = JSON.stringify({ userId, group });
      const token = await this.#call("", { method: "POST", body });
      ({ url, userId: this.userId, groups: [this.group] } = token);
    }
    if (lose !== this.#lose) return;
    const socket = (this.#socket = new (this.#options.WebSocket ?? WebSocket)(url, "json.reliable.webpubsub.azure.v1"));
    socket.onopen = () => this.#session && this.#ask({ type: "ping" });
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onerror = () => {};
    socket.onclose = ({ code }) => lose(code === 1008);
  }

  #close() {
    this.#timer = clearTimeout(this.#timer);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(this.#session ? 4000 : 1000);
  }

  #check = ({ type }) => {
    if (type === "pagehide") this.#lose?.(true);
    else if (this.state === "open") this.#ask({ type: "ping" });
    else {
      this.#failures = 0;
      setTimeout(() => this.#wake?.(), jitter(1e3));
    }
  };

  async #call(path, request = {}) {
    Object.assign(request, { headers: await this.#options.headers?.(), signal: this.#life.signal });
    const response = await (this.#options.fetch ?? fetch)(new URL(path, this.#url), request);
    const problem = await response.json().catch(() => null);
    if (response.ok && problem) return problem;
    throw Object.assign(Error(problem?.detail ?? `The status was ${response.status}.`), {
      status: response.status, problem, reason: problem?.reason, retryAfter: response.headers.get("Retry-After"),
    });
  }

  #ask(frame) {
    this.#timer ??= setTimeout(() => this.#lose?.(), 10e3);
    this.#post(frame);
  }

  #post(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  #receive(frame) {
    this.#timer = clearTimeout(this.#timer);
    if (this.state !== "open") this.#enter(!!this.#session);
    const { type, event, sequenceId } = frame;
    if (sequenceId <= this.#sequenceId) return;
    if (sequenceId) this.#post({ type: "sequenceAck", sequenceId: (this.#sequenceId = sequenceId) });
    if (event === "connected") {
      const query = { awps_connection_id: frame.connectionId, awps_reconnection_token: frame.reconnectionToken };
      this.#session = new URL("?" + new URLSearchParams(query), this.#socket.url);
    }
    if (event === "disconnected") {
      const removed = / Reason: removed(: (.*))?$/.exec(frame.message);
      if (removed) this.#remove(removed[2]);
      this.#lose?.(true, Error(frame.message));
    }
    if (type === "ack") this.#settle(frame);
    if (type === "message") this.#hear(frame);
  }

  #enter(isRecovered) {
    this.#openedAt = Date.now();
    if (!isRecovered) {
      this.#sequenceId = 0;
      this.#reject(Error("The message may be lost."));
      this.#plan();
    }
    this.#change("open", { isRecovered });
    this.#options.resolve(this);
    for (const message of this.#pending.values()) this.#send(message);
  }

  #send(message) {
    message.isSent = true;
    this.#ask(message.frame);
  }

  #settle({ ackId, success, error }) {
    const message = this.#pending.get(ackId);
    this.#pending.delete(ackId);
    if (success || error.name === "Duplicate") message?.resolve();
    message?.reject(Error(error?.message));
  }

  #reject(error) {
    for (const [ackId, { isSent, reject }] of this.#pending) {
      if ((isSent || this.#life.signal.aborted) && this.#pending.delete(ackId)) reject(error);
    }
  }

  #hear({ group, fromUserId: userId, dataType, data }) {
    if (group && group !== this.group) return;
    if (!group && data?.type === "removed" && data.group === this.group) return this.#remove(data.reason);
    const at = new Date();
    if (userId != null || data?.type !== "presence") return this.#emit("message", { userId, data, dataType, at });
    if (data.group !== this.group) return;
    this.#emit("presence", data, group);
    this.#apply(data);
  }

  #apply(message, absent = this.#absent) {
    if (this.#presence?.isReady) message = { ...message, truncated: true };
    const before = hash(this.users);
    const { state, joined, left, isBehind } = applyPresence(this.#presence, message);
    this.#presence = state;
    this.#absent = isBehind ? absent : [];
    if (isBehind) this.#plan();
    else if (state.isReady) this.#rosterTimer = clearTimeout(this.#rosterTimer);
    for (const name of joined) if (name !== this.userId) this.#emit("joined", name);
    for (const name of left) if (name !== this.userId) this.#emit("left", name);
    if (hash(this.users) !== before) this.#emit("users", this.users);
  }

  #plan() {
    this.#rosterTimer ??= setTimeout(() => {
      this.#rosterTimer = null;
      this.refresh().catch(() => {});
    }, Math.max(3e3 + jitter(2e3), this.#rosterAt + 10e3 - Date.now()));
  }
}
