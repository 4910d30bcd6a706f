// Enters a room, and prints each event as a line of JSON. Each line on stdin is an expression, in
// which `room` and `requests` are defined; its value is printed, too.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { enterRoom } from "./usher.js";

const { modules, answers = [], rosters = [], ...options } = JSON.parse(process.argv[2]);
const { WebSocket } = createRequire(`${modules}/`)("ws");
const requests = [];
const stop = new AbortController();

// The first requests for a token get the answers, those for the roster the rosters; all others go
// to the app. An answer that is null lets its request through.
async function fetchFirst(url, request) {
  requests.push(String(url));
  const answer = (request.method === "POST" ? answers : rosters).shift();
  return answer ? new Response(answer.body, answer) : fetch(url, request);
}

const readable = (key, value) => {
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Error ? { ...value, message: value.message } : value;
};
const print = (line) => console.log(JSON.stringify(line, readable));
const names = ["state", "joined", "left", "users", "message", "presence"];
const on = Object.fromEntries(names.map((event) => [event, (...details) => print({ event, details })]));

process.on("unhandledRejection", (error) => print({ unhandled: error.message }));
try {
  const tools = { WebSocket, fetch: fetchFirst, signal: stop.signal, on };
  const room = await enterRoom({ ...options, ...tools });
  print({ entered: room.userId, users: room.users });
  const run = (code) => new Function("room", "requests", `return (${code})`)(room, requests);
  createInterface({ input: process.stdin }).on("line", async (code) => {
    try {
      print({ value: (await run(code)) ?? null });
    } catch (error) {
      print({ error });
    }
  }).on("close", () => room.leave());
} catch (error) {
  print({ failed: error, requests });
}
