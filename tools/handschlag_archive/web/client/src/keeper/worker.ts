// The keeper in its worker.

import { Keeper } from "./keeper";
import { serve } from "./rpc";

const scope = self as unknown as Worker;

async function fetchFile(box: string, recording: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`/api/recordings/${box}/${recording}/files/${name}`, { credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`${name}: ${answer.status}`), { status: answer.status });
  return new Uint8Array(await answer.arrayBuffer());
}

serve(new Keeper(fetchFile, (event, value) => scope.postMessage({ event, value })), scope);
