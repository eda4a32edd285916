export { DEFAULT_IMAGE, KyaniteContainer, StartedKyaniteContainer } from './container';
export * from './process-index';
