// A backend with its own login. It asks Usher for its users, so the function key never leaves it.
import { randomBytes, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const { USHER_URL, USHER_KEY, USERS = "", PORT = "3000" } = process.env;
if (!USHER_URL || !USHER_KEY) throw new Error("Set USHER_URL and USHER_KEY.");
const passwords = new Map(USERS.split(",").map((pair) => pair.split(":")));
const sessions = new Map(); // session id -> user

const routes = [
  ["GET", /^\/$/, showPage],
  ["GET", /^\/usher\.js$/, () => askUsher("/api/usher.js")],
  ["POST", /^\/login$/, signIn],
  // The browser module asks for these two addresses, one below the other.
  ["POST", /^\/api\/negotiate$/, negotiate],
  ["GET", /^\/api\/groups\/([^/]+)\/members$/, readRoster],
];

async function showPage() {
  const page = await readFile(new URL("page.html", import.meta.url));
  return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
}

async function signIn(request) {
  const { name, password } = await request.json();
  const [given, expected] = [password, passwords.get(name)].map((text) => Buffer.from(String(text)));
  const isRight = passwords.has(name) && given.length === expected.length;
  if (!isRight || !timingSafeEqual(given, expected)) return refuse(401, "Name or password is wrong.");
  const id = randomBytes(32).toString("base64url");
  sessions.set(id, name);
  // Other sites' pages send no cookie that is strict. Behind https, add `Secure`.
  const cookie = `session=${id}; HttpOnly; SameSite=Strict; Path=/`;
  return new Response(null, { status: 204, headers: { "set-cookie": cookie } });
}

async function negotiate(request, user) {
  if (!user) return refuse(401, "Sign in first.");
  const { group } = await request.json();
  return askUsher("/api/negotiate", { method: "POST", body: JSON.stringify({ userId: user, group }) });
}

async function readRoster(request, user, group) {
  if (!user) return refuse(401, "Sign in first.");
  // With the user's id, the policy decides about this user; without, about the backend.
  return askUsher(`/api/groups/${group}/members?userId=${encodeURIComponent(user)}`);
}

async function askUsher(path, options = {}) {
  const headers = { "x-functions-key": USHER_KEY, "content-type": "application/json" };
  const answer = await fetch(USHER_URL + path, { headers, ...options });
  const kept = ["content-type", "retry-after"].filter((name) => answer.headers.has(name));
  const passed = Object.fromEntries(kept.map((name) => [name, answer.headers.get(name)]));
  return new Response(await answer.arrayBuffer(), { status: answer.status, headers: passed });
}

function refuse(status, detail) {
  return Response.json({ status, detail }, { status });
}

async function answer(request) {
  const { pathname } = new URL(request.url);
  const id = /(?:^|; )session=([^;]+)/.exec(request.headers.get("cookie") ?? "")?.[1];
  for (const [method, pattern, respond] of routes) {
    const found = request.method === method && pattern.exec(pathname);
    if (found) return respond(request, sessions.get(id), ...found.slice(1));
  }
  return refuse(404, "There is no such page.");
}

const server = createServer(async (incoming, outgoing) => {
  const chunks = await incoming.toArray();
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const { url, method, headers } = incoming;
  const { cookie = "" } = headers;
  const request = new Request(new URL(url, "http://localhost"), { method, body, headers: { cookie } });
  const response = await answer(request).catch(() => refuse(502, "Usher or this backend failed."));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(Number(PORT), "localhost", () => console.log(`http://localhost:${server.address().port}`));
