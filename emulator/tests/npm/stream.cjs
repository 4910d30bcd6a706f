// Streams COUNT fragments to a group over connections that keep dropping, and prints what arrived.
// Usage: node stream.cjs FOLDER_WITH_NODE_MODULES CONNECTION_STRING HUB COUNT
"use strict";
const { createRequire } = require("node:module");
const [folder, connectionString, hub, count] = process.argv.slice(2);
const load = createRequire(`${folder}/`);

// Shorten the client's waits of a second: between acknowledgements, and before each recovery.
const wait = globalThis.setTimeout;
globalThis.setTimeout = (action, ms, ...rest) => wait(action, ms === 1000 ? 10 : ms, ...rest);

const { WebPubSubServiceClient } = load("@azure/web-pubsub");
const { WebPubSubClient } = load("@azure/web-pubsub-client");

// The service keeps 1,000 messages that a client has not acknowledged, and then closes it. So the
// sender waits for the receiver after each BATCH, and leaves it time to acknowledge.
const BATCH = 100;
const PAUSE_MS = 20;
const options = { allowInsecureConnection: true };
const service = new WebPubSubServiceClient(connectionString, hub, options);

async function connect(...roles) {
  const client = new WebPubSubClient((await service.getClientAccessToken({ roles })).url);
  await client.start();
  return client;
}

async function untilItWorks(action) {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      await new Promise((done) => wait(done, 20)); // the connection dropped; it recovers by itself
    }
  }
}

async function main() {
  const received = [];
  let progress = () => {};
  const receiver = await connect("webpubsub.joinLeaveGroup");
  const done = new Promise((resolve, reject) => {
    receiver.onGroupStream(
      async (stream) => {
        try {
          for await (const message of stream) {
            received.push(message.data);
            progress();
          }
          resolve();
        } catch (error) {
          reject(new Error(`the stream ended with ${error.name}`));
        }
      },
      { handleFromStart: true },
    );
  });
  await untilItWorks(() => receiver.joinGroup("g"));
  const sender = await connect("webpubsub.sendToGroup");
  const stream = await untilItWorks(() => sender.openGroupStream("g"));
  for (let number = 1; number <= Number(count); number += 1) {
    await stream.write(number, "json");
    if (number % BATCH === 0) {
      while (received.length < number) {
        await new Promise((resolve) => (progress = resolve));
      }
      await new Promise((resolve) => wait(resolve, PAUSE_MS));
    }
  }
  await stream.end();
  await done;
  console.log(JSON.stringify(received));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
