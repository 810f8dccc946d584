/** The body of a ResNet18 (He 2015), as `save_page` writes its weights. */

/** One convolution, with the batch normalisation behind it folded in. */
export interface Convolution {
  name: string;
  filters: number;
  channels: number; // that each filter reads
  side: number; // of a filter
}

const GROUPS = [64, 128, 256, 512]; // filters of the four groups of layers

/** All 20 convolutions, in the order in which they lie in the page. */
export function convolutions(): Convolution[] {
  const all: Convolution[] = [{ name: "first", filters: 64, channels: 3, side: 7 }];
  let channels = 64;
  GROUPS.forEach((filters, group) => {
    for (const part of [0, 1]) {
      const name = `group${group + 1}.part${part + 1}`;
      all.push({ name: `${name}.a`, filters, channels, side: 3 });
      all.push({ name: `${name}.b`, filters, channels: filters, side: 3 });
      // Where the number of maps changes, what goes past these two is brought to it as well.
      if (channels !== filters) {
        all.push({ name: `${name}.past`, filters, channels, side: 1 });
      }
      channels = filters;
    }
  });
  return all;
}

/** How many weights a convolution has. */
export function countWeights(convolution: Convolution): number {
  const { filters, channels, side } = convolution;
  return filters * channels * side * side;
}
