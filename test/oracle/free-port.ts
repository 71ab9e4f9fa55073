// A free TCP port on loopback for a server that a scenario starts, in the file `port` of its directory.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

export async function writeFreePort(directory: string): Promise<void> {
  // Under the range from which the kernel takes ports for clients, so that none is taken between here and its use.
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return writeFile(join(directory, "port"), `${port}\n`);
  }
}
