// Where a tensor is on a mesh of devices.
import type { ShardingSpec } from '../ir/op'
import type { Tensor } from '../tensor'
import { apply } from './apply'

/**
 * x, split over a device mesh as `spec` says once a program is partitioned; on one device, x. Its gradient is split the
 * same way.
 * @param spec for each dimension of x, the mesh axes it is split over, the slowest first; none: not split
 * @throws TensorError when `spec` does not name every dimension, or names an axis twice
 */
export const shardingConstraint = (x: Tensor, spec: ShardingSpec): Tensor => apply('shardingConstraint', [x], { spec })
