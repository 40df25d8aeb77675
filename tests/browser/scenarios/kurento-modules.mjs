// Filters of Kurento's modules, each on a film: player -> filter -> recorder, as an application drives them with the
// unmodified client and the modules' own packages. `part` names the filter; what it told and answered comes back.

import kurento from 'kurento-client';
import { scenario, within } from '../driver.mjs';
import { connect, event } from '../kurento.mjs';

for (const name of ['crowddetector', 'platedetector', 'pointerdetector', 'chroma']) {
  kurento.register(`kurento-module-${name}`);
}

/** Collects events of an object; `until` resolves when there are so many of each name. */
class Told {
  events = [];
  #waiting = [];

  constructor(object, names) {
    for (const name of names) {
      object.on(name, ({ timestampMillis, ...data }) => {
        delete data.source;
        delete data.tags;
        this.events.push(data);
        this.#waiting = this.#waiting.filter((look) => !look());
      });
    }
  }

  of(name) {
    return this.events.filter((event) => event.type === name);
  }

  until(what, enough, limit = 45_000) {
    const wait = new Promise((resolve) => {
      const look = () => enough(this) && (resolve(), true);
      if (!look()) this.#waiting.push(look);
    });
    return within(limit, what, wait).catch((error) => {
      throw new Error(`${error.message}; told so far: ${JSON.stringify(this.events)}`);
    });
  }
}

/** A film through a filter into a file. `drive` gets the filter and what is done when it plays. */
async function through(client, { film, out }, make, drive) {
  const pipeline = await client.create('MediaPipeline');
  const player = await pipeline.create('PlayerEndpoint', { uri: film });
  const filter = await make(pipeline);
  const recorder = await pipeline.create('RecorderEndpoint', { uri: out, mediaProfile: 'WEBM_VIDEO_ONLY' });
  const failed = new Promise((_, reject) => {
    for (const [name, object] of Object.entries({ player, filter, recorder })) {
      object.on('Error', (e) => reject(new Error(`${name}: ${e.description}`)));
    }
  });
  await player.connect(filter);
  await filter.connect(recorder);
  const over = event(player, 'EndOfStream', 60_000);
  // Nobody may be waiting for it when it fails.
  over.catch(() => {});
  await recorder.record();
  const result = await Promise.race([failed, drive(filter, () => player.play(), over)]);
  await recorder.stopAndWait();
  await pipeline.release();
  return result;
}

const parts = {
  async crowd(client, options) {
    const type = (name) => kurento.getComplexType(`crowddetector.${name}`);
    const point = (x, y) => type('RelativePoint')({ x, y });
    const config = type('RegionOfInterestConfig')({
      occupancyLevelMin: 1,
      occupancyLevelMed: 4,
      occupancyLevelMax: 12,
      occupancyNumFramesToEvent: 2,
      fluidityLevelMin: 10,
      fluidityLevelMed: 35,
      fluidityLevelMax: 65,
      fluidityNumFramesToEvent: 2,
      sendOpticalFlowEvent: true,
      opticalFlowNumFramesToEvent: 2,
      opticalFlowNumFramesToReset: 2,
      opticalFlowAngleOffset: 0,
    });
    const roi = type('RegionOfInterest')({
      id: 'square',
      points: [point(0.05, 0.2), point(0.95, 0.2), point(0.95, 0.95), point(0.05, 0.95)],
      regionOfInterestConfig: config,
    });
    const make = (pipeline) => pipeline.create('crowddetector.CrowdDetectorFilter', { rois: [roi] });
    return through(client, options, make, async (filter, play) => {
      const names = ['CrowdDetectorOccupancy', 'CrowdDetectorFluidity', 'CrowdDetectorDirection'];
      const told = new Told(filter, names);
      const width = await filter.getProcessingWidth();
      await play();
      await told.until('events of all three kinds', () => names.every((name) => told.of(name).length > 0));
      await filter.setProcessingWidth(480);
      return { events: told.events, widths: [width, await filter.getProcessingWidth()] };
    });
  },

  async codes(client, options) {
    const make = (pipeline) => pipeline.create('ZBarFilter');
    return through(client, options, make, async (filter, play, over) => {
      const told = new Told(filter, ['CodeFound']);
      await play();
      await over;
      return { events: told.events };
    });
  },

  async plates(client, options) {
    const make = (pipeline) => pipeline.create('platedetector.PlateDetectorFilter');
    return through(client, options, make, async (filter, play) => {
      const told = new Told(filter, ['PlateDetected']);
      await filter.setPlateWidthPercentage(0.4);
      await play();
      await told.until('a plate', () => told.events.length > 0);
      return { events: told.events };
    });
  },

  async pointer(client, options) {
    const window = (id, upperRightX) =>
      kurento.getComplexType('pointerdetector.PointerDetectorWindowMediaParam')({
        id, upperRightX, upperRightY: 80, width: 80, height: 80,
      });
    const calibrationRegion = kurento.getComplexType('pointerdetector.WindowParam')({
      topRightCornerX: 30, topRightCornerY: 105, width: 20, height: 20,
    });
    const make = (pipeline) =>
      pipeline.create('pointerdetector.PointerDetectorFilter', { calibrationRegion, windows: [window('gone', 0)] });
    return through(client, options, make, async (filter, play) => {
      const told = new Told(filter, ['WindowIn', 'WindowOut']);
      await filter.clearWindows();
      for (const [id, x] of [['near', 120], ['far', 220], ['removed', 160]]) await filter.addWindow(window(id, x));
      await filter.removeWindow('removed');
      const flows = event(filter, 'MediaFlowOutStateChanged');
      await play();
      await flows;
      // The pointer rests in the calibration region for the first seconds.
      await filter.trackColorFromCalibrationRegion();
      await told.until('in and out of both windows', () => told.of('WindowOut').length >= 2);
      return { events: told.events };
    });
  },

  async chroma(client, options) {
    const window = kurento.getComplexType('chroma.WindowParam')({
      topRightCornerX: 5, topRightCornerY: 5, width: 60, height: 60,
    });
    const make = (pipeline) =>
      pipeline.create('chroma.ChromaFilter', { window, backgroundImage: options.background });
    return through(client, options, make, async (filter, play, over) => {
      if (options.unset) await filter.unsetBackground();
      if (options.instead) await filter.setBackground(options.instead);
      await play();
      await over;
      return {};
    });
  },
};

await scenario(async (options, undo) => {
  const client = await connect(options.server, undo);
  return parts[options.part](client, options);
});
