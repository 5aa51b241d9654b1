/** `holdpoint/testing`: what tests of software that asks for decisions need. Universal. */
export { memoryOutbox } from "../sdk/client/memory-outbox.ts";
export { memoryStore } from "../sdk/memory-store.ts";
export { fakeClock, type FakeClock } from "./fake-clock.ts";
export { fakeReviewer, type FakeReviewer } from "./fake-reviewer.ts";
export { stubModels, type StubModelsOptions } from "./stub-models.ts";
