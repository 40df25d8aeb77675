// Thumbnails of video outputs: the server makes them while somebody looks.

import { request } from './api.js';

/** Time from one picture to the next. */
const PAUSE = 2000;

/** Pictures of one pipeline's elements. */
export class Pictures {
  constructor(pipeline) {
    this.pipeline = pipeline;
  }

  /**
   * Calls back with an address for each new picture of an output until `stop()` of the result is called. `ontrouble`
   * gets what went wrong, once.
   */
  watch(element, port, callback, ontrouble = () => {}) {
    const abort = new AbortController();
    const path = ['/api/v1/pipelines', encodeURIComponent(this.pipeline), 'elements', encodeURIComponent(element), 'picture'];
    const address = `${path.join('/')}?port=${encodeURIComponent(port)}`;
    let current = '';
    let told = false;
    let tag = '';
    const turn = async () => {
      while (!abort.signal.aborted) {
        let pause = PAUSE;
        try {
          if (!document.hidden) {
            const response = await request('GET', address, { accept: 'image/jpeg', signal: abort.signal });
            // 204: the first picture is on its way.
            if (response.status === 204) pause = 400;
            else if (response.headers.get('ETag') !== tag || !tag) {
              tag = response.headers.get('ETag') ?? '';
              const next = URL.createObjectURL(await response.blob());
              callback(next);
              if (current) URL.revokeObjectURL(current);
              current = next;
            }
          }
        } catch (error) {
          if (abort.signal.aborted) break;
          if (!told) ontrouble(error);
          told = true;
          pause = PAUSE * 2;
        }
        await new Promise((done) => setTimeout(done, pause));
      }
      if (current) URL.revokeObjectURL(current);
    };
    turn();
    return { stop: () => abort.abort() };
  }
}
