/**
 * Steps between kept states on the way back through a scan: inside a chunk the states are found
 * again, so the device keeps one state in 64.
 */
export const BACKWARD_CHUNK = 64;
