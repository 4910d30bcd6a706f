// Applies the messages of each case in cases.json, and prints what each message led to.
import { readFileSync } from "node:fs";
import { applyPresence, presentUsers } from "./usher.js";

const freeze = (value) => {
  if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(freeze);
  return value;
};

function run({ messages }) {
  let state;
  return messages.map((message) => {
    const before = structuredClone(state);
    const { state: next, ...rest } = applyPresence(state, freeze(message));
    const again = applyPresence(next, message);
    const result = {
      users: [...presentUsers(next)],
      ...rest,
      isPure: JSON.stringify(dump(before)) === JSON.stringify(dump(state)),
      isIdempotent: again.state === next && !again.joined.length && !again.left.length,
    };
    state = next;
    return result;
  });
}

const dump = (state) => state && { ...state, records: [...state.records] };

const cases = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(cases.map(run)));
