// Reads histories from a file, one a line, and prints what the reducer makes of each client's messages.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { applyPresence, presentUsers } from "./usher.js";

function replay(messages) {
  let state;
  const results = messages.map((message) => {
    const result = applyPresence(state, message);
    state = result.state;
    return [result.joined, result.left, result.isBehind];
  });
  const users = [...presentUsers(state)].sort(([one], [other]) => (one < other ? -1 : 1));
  return { users, results };
}

for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const { messages, clients } = JSON.parse(line);
  console.log(JSON.stringify(clients.map((numbers) => replay(numbers.map((n) => messages[n])))));
}
