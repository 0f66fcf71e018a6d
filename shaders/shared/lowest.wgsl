/// Below every finite f32: where a search for a maximum begins.
const LOWEST = -3.4028234e38;
