const HOUR_MS = 3600e3;
const MOST_TOMBSTONES = 200;
const EMPTY = { records: new Map(), floor: "", newest: "", isReady: false };

export function applyPresence(state, message) {
  state ??= EMPTY;
  if (!isPresence(message)) return { state, joined: [], left: [], isBehind: false };
  const next = merge(state, message);
  const changed = [...new Set([...state.records.keys(), ...next.records.keys()])]
    .filter((name) => state.isReady && !count(state, name) !== !count(next, name)).sort();
  return {
    state: isSame(state, next) ? state : next,
    joined: changed.filter((name) => count(next, name)),
    left: changed.filter((name) => count(state, name)),
    isBehind: message.checksum != null && message.asOf >= state.newest && differs(next, message),
  };
}

export function presentUsers(state) {
  const records = [...(state ?? EMPTY).records];
  return new Map(records.filter(([, [, n]]) => n).map(([name, [, n]]) => [name, n]));
}

const count = (state, name) => state.records.get(name)?.[1] ?? 0;
const later = (one, other) => (one > other ? one : other);
const isObject = (value) => !!value && typeof value === "object" && !Array.isArray(value);
const isText = (value) => typeof value === "string";
const isMoment = (text) => isText(text) && text.length === 20 && new Date(text).toJSON() === text.replace("Z", ".000Z");

function isPresence(message) {
  const { type, group, asOf, users, gone, snapshot, truncated } = message ?? {};
  return type === "presence" && isText(group) && isMoment(asOf) &&
    isObject(users) && Object.values(users).every((n) => Number.isSafeInteger(n) && n > 0) &&
    Array.isArray(gone) && gone.every(isText) &&
    typeof snapshot === "boolean" && typeof truncated === "boolean";
}

function merge(state, { asOf, users, gone, snapshot, truncated }) {
  const records = new Map(state.records);
  const isList = snapshot && !truncated;
  const set = (name, n) => {
    const [at, current] = records.get(name) ?? [state.floor, 0];
    if (asOf > at || (asOf === at && n > current)) records.set(name, [asOf, n]);
  };
  for (const [name, n] of Object.entries(users)) set(name, n);
  for (const name of isList ? [...gone, ...records.keys()] : gone) set(name, 0);
  const floor = isList ? later(state.floor, asOf) : state.floor;
  return forget({ records, floor, newest: later(state.newest, asOf), isReady: state.isReady || snapshot });
}

function forget(state) {
  const { records, newest } = state;
  const oldest = new Date(Date.parse(newest) - HOUR_MS).toJSON().replace(".000", "");
  const times = [...records.values()].filter(([at, n]) => !n && at > state.floor).map(([at]) => at).sort();
  const expired = times.filter((at, index) => at < oldest || index < times.length - MOST_TOMBSTONES);
  const floor = expired.pop() ?? state.floor;
  for (const [name, [at, n]] of records) if (!n && at <= floor) records.delete(name);
  return { ...state, floor };
}

function isSame(state, next) {
  return ["floor", "newest", "isReady"].every((key) => state[key] === next[key]) &&
    state.records.size === next.records.size &&
    [...next.records].every(([name, record]) => state.records.get(name) === record);
}

function differs(state, message) {
  const users = presentUsers(state);
  return users.size !== message.count || checksum(users) !== message.checksum;
}

function checksum(users) {
  let sum = 0;
  for (const [name, n] of users) sum += mix(crc32(name) + Math.imul(n, 0x9e3779b9));
  return (sum >>> 0).toString(16).padStart(8, "0");
}

function mix(hash) {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function crc32(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  }
  return ~crc;
}
