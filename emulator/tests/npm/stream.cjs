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

const LEAD = 250; // fragments ahead of the receiver, of which the service keeps 1,000 at most
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
    while (number - received.length > LEAD) {
      await new Promise((resolve) => (progress = resolve));
    }
    await stream.write(number, "json");
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
