// An app and its client on the official packages. The app prints its port and waits for a line on
// stdin, after which the journey begins. At the end it prints what happened, as JSON.
// Usage: node journey.cjs FOLDER_WITH_NODE_MODULES CONNECTION_STRING HUB
"use strict";
const { createRequire } = require("node:module");
const { once } = require("node:events");
const [folder, connectionString, hub] = process.argv.slice(2);
const load = createRequire(`${folder}/`);
const express = load("express");
const { WebPubSubServiceClient } = load("@azure/web-pubsub");
const { WebPubSubClient } = load("@azure/web-pubsub-client");
const { WebPubSubEventHandler } = load("@azure/web-pubsub-express");

const seen = []; // the app's events, in their order
let changed = () => {};

function note(...facts) {
  seen.push(facts);
  changed();
}

async function untilSeen(...facts) {
  const wanted = JSON.stringify(facts);
  while (!seen.some((one) => JSON.stringify(one) === wanted)) {
    await new Promise((resolve) => (changed = resolve));
  }
}

function handleUserEvent(request, response) {
  if (request.context.eventName === "echo") {
    response.success(JSON.stringify({ echo: request.data }), "json");
  } else if (request.context.eventName === "refused") {
    response.fail(401, "private");
  } else {
    note("pending", request.context.eventName);
  }
}

async function startApp() {
  const handler = new WebPubSubEventHandler(hub, {
    handleConnect: (request, response) => response.success({ groups: ["lobby"] }),
    handleUserEvent,
    onConnected: (request) => note("connected", request.context.userId),
    onGroupJoined: (request) => note("joined", request.group, request.context.userId),
    onGroupLeft: (request) => note("left", request.group, request.context.userId),
    onDisconnected: (request) => note("disconnected", request.context.userId),
  });
  const app = express();
  app.use((request, response, next) => {
    response.on("close", () => response.writableFinished || note("aborted"));
    next();
  });
  app.use(handler.getMiddleware());
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  console.log(JSON.stringify({ port: server.address().port, path: handler.path }));
}

async function invoke(client) {
  const { data, dataType } = await client.invokeEvent("echo", { order: 1 }, "json");
  const refusal = await client.invokeEvent("refused", "x", "text").catch((error) => error);
  const controller = new AbortController();
  const options = { abortSignal: controller.signal };
  const pending = client.invokeEvent("slow", "x", "text", options).catch((error) => error);
  await untilSeen("pending", "slow");
  controller.abort();
  const cancelled = await pending;
  await untilSeen("aborted");
  return {
    result: { data, dataType },
    refusal: [refusal.name, refusal.errorDetail],
    cancelled: [cancelled.name, cancelled.message],
  };
}

async function streamTo(sender, receiver, group) {
  const received = new Promise((resolve, reject) => {
    receiver.onGroupStream(async (stream) => {
      const parts = [];
      try {
        for await (const message of stream) parts.push([message.data, message.fromUserId]);
        resolve(parts);
      } catch (error) {
        reject(error);
      }
    });
  });
  const stream = await sender.openGroupStream(group);
  await stream.write("one", "text");
  await stream.write({ two: 2 }, "json");
  await stream.end();
  return received;
}

async function connect(service, userId) {
  const roles = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"];
  const client = new WebPubSubClient((await service.getClientAccessToken({ userId, roles })).url);
  await client.start();
  await untilSeen("connected", userId);
  return client;
}

async function main() {
  await startApp();
  await once(process.stdin, "data");
  const options = { allowInsecureConnection: true };
  const service = new WebPubSubServiceClient(connectionString, hub, options);
  const ann = await connect(service, "ann");
  const bob = await connect(service, "bob");
  await bob.joinGroup("room");
  await untilSeen("joined", "room", "bob");
  const invocations = await invoke(ann);
  const stream = await streamTo(ann, bob, "room");
  await bob.leaveGroup("room");
  await untilSeen("left", "room", "bob");
  for (const [client, user] of [[ann, "ann"], [bob, "bob"]]) {
    client.stop();
    await untilSeen("left", "lobby", user);
    await untilSeen("disconnected", user);
  }
  console.log(JSON.stringify({ invocations, stream, seen }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
