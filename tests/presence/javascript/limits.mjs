// Enters a room whose app never answers, on a clock that does not wait. Prints the waits.
import { enterRoom } from "./usher.js";

const realTimeout = setTimeout;
const waits = [];
const stop = new AbortController();
const isHeaders = process.argv[2] === "headers";

globalThis.setTimeout = (callback, ms) => {
  waits.push(ms);
  return realTimeout(callback, 0);
};
Math.random = () => 0.5;

function hang() {
  if (waits.filter((ms) => ms === 20_000).length === 4) stop.abort();
  return new Promise(() => {});
}

const options = isHeaders ? { headers: hang } : { fetch: hang };
const negotiate = "http://127.0.0.1/api/negotiate";
await enterRoom({ negotiate, ...options, signal: stop.signal }).catch((error) => {
  console.log(JSON.stringify({ waits, message: error.message }));
});
