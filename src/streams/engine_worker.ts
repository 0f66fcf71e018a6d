/// <reference lib="deno.worker" />
/** A thread that holds states: only translates messages into calls of {@linkcode Shard}. */
import { type PortLike, serveMethods } from "../base/remote_port.ts";
import { hubParts } from "./parts.ts";
import { Shard } from "./shard.ts";
import { shardMethods } from "./shard_port.ts";

serveMethods(self as unknown as PortLike, shardMethods(new Shard(hubParts)));
