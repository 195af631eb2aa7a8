// Asking a worker: one message there, one back. Errors come back with their kind, so that a page can tell what is wrong.

import { SealedError, type Wrong } from "../sealed/errors";

type Methods = Record<string, (...args: never[]) => unknown>;
export type Remote<T> = {
  [N in keyof T as T[N] extends (...args: never[]) => unknown ? N : never]: T[N] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

interface Question {
  id: number;
  method: string;
  args: unknown[];
}
export interface Failure {
  kind: Wrong | "other";
  message: string;
  status?: number;
}
interface Reply {
  id: number;
  value?: unknown;
  failure?: Failure;
}
interface Event {
  event: string;
  value: unknown;
}

export function serve(target: object, port: { onmessage: unknown; postMessage(message: unknown): void }): void {
  port.onmessage = async ({ data }: MessageEvent<Question>) => {
    const { id, method, args } = data;
    const reply: Reply = { id };
    try {
      reply.value = await (target as Methods)[method]!.apply(target, args as never[]);
    } catch (error) {
      reply.failure = failureOf(error);
    }
    port.postMessage(reply);
  };
}

export function failureOf(error: unknown): Failure {
  if (error instanceof SealedError) return { kind: error.kind, message: error.message };
  const { message = "", status } = (error ?? {}) as { message?: string; status?: number };
  return status === undefined ? { kind: "other", message } : { kind: "other", message, status };
}

/** The worker behind methods; `on` is told of its events. */
export function remote<T>(worker: Worker, on: (event: string, value: unknown) => void): Remote<T> {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  let next = 0;
  worker.onmessage = ({ data }: MessageEvent<Reply | Event>) => {
    if ("event" in data) return on(data.event, data.value);
    const waiter = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.failure === undefined) return waiter?.resolve(data.value);
    const { kind, message, status } = data.failure;
    if (kind !== "other") return waiter?.reject(new SealedError(kind, message));
    waiter?.reject(Object.assign(new Error(message), status === undefined ? {} : { status }));
  };
  return new Proxy({} as Remote<T>, {
    get:
      (_, method) =>
      (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          const id = next++;
          waiting.set(id, { resolve, reject });
          worker.postMessage({ id, method: String(method), args } satisfies Question);
        }),
  });
}
