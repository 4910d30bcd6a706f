// Uses everything that web/usher.d.ts declares. `tsc` must accept it.
import { applyPresence, enterRoom, presentUsers } from "./usher.js";
import type { PresenceState, Room, RoomError, RoomMessage, RoomState } from "./usher.js";

export async function useRoom(token: () => Promise<string>, stop: AbortSignal): Promise<Room> {
  const room = await enterRoom({
    negotiate: new URL("https://example.com/api/negotiate"),
    group: "lobby",
    userId: "ana",
    headers: async () => ({ Authorization: `Bearer ${await token()}` }),
    signal: stop,
    fetch,
    WebSocket,
    on: { state: (state, { delay }) => console.log(state satisfies RoomState, delay?.toFixed()) },
  });
  const off = room.on("joined", (userId) => console.log(userId.toUpperCase()));
  room.on("left", (userId: string) => console.log(userId));
  room.on("users", (users) => console.log([...users.values()].map((n) => n + 1)));
  room.on("message", ({ userId, data, at }: RoomMessage) => console.log(userId, data, at.getTime()));
  room.on("presence", ({ users, gone }, group) => console.log(users, gone.length, group));
  room.on("state", (_, { error }) => console.log((error satisfies RoomError | undefined)?.status));
  room.on("state", (_, { error }) => console.log(error?.reason?.trim(), error?.problem?.until));
  await room.send("hello");
  await room.send({ text: "hello" });
  const { members, asOf } = await room.refresh();
  console.log(members[0]?.connections, asOf.length, room.users.get(room.userId), room.group);
  off();
  room.leave();
  return room;
}

export function useReducer(messages: unknown[]): number {
  let state: PresenceState | undefined;
  for (const message of messages) {
    const change = applyPresence(state, message);
    console.log(change.joined.concat(change.left), change.isBehind);
    state = change.state;
  }
  return presentUsers(state).size;
}
