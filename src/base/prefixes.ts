/** Flat records by paths, `weights/norm.weight`: parts of them by how names begin. */

/** The entries whose names begin with a prefix, without it. */
export function partOf<T>(record: Readonly<Record<string, T>>, prefix: string): Record<string, T> {
  const part: Record<string, T> = {};
  for (const [name, value] of Object.entries(record)) {
    if (name.startsWith(prefix)) part[name.slice(prefix.length)] = value;
  }
  return part;
}

/** The entries with a prefix before their names. */
export function prefixed<T>(
  prefix: string,
  record: Readonly<Record<string, T>>,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [`${prefix}${name}`, value]),
  );
}
