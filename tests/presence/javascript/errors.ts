// Uses web/usher.d.ts wrongly. `tsc` must report an error in each line that ends with a number.
import { applyPresence, enterRoom, presentUsers } from "./usher.js";
import type { Room } from "./usher.js";

export async function misuse(room: Room): Promise<void> {
  await enterRoom({ group: "lobby" }); // 2345
  await enterRoom({ negotiate: "/api/negotiate", grup: "lobby" }); // 2561
  await enterRoom({ negotiate: "/api/negotiate", headers: { Authorization: "x" } }); // 2353
  await enterRoom({ negotiate: "/api/negotiate", on: { enter: () => {} } }); // 2353
  room.on("joinned", () => {}); // 2345
  room.on("joined", (users: Map<string, number>) => users.size); // 2345
  room.users = new Map(); // 2540
  const sent: string = await room.send("hello"); // 2322
  applyPresence({ records: new Map() }, {}); // 2345
  presentUsers(undefined).get(5); // 2345
  console.log(sent);
}
