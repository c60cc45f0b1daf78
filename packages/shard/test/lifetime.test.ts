// A mesh keeps to the contract of lifetimes that single devices keep to.
import { openCpuDevice } from '@jora/tensor/onnx'
import { lifetimeSuite } from '../../tensor/test/backend/lifetime'
import { MeshDevice } from '../src/device/mesh-device'
import { Mesh } from '../src/mesh/mesh'

lifetimeSuite({
  name: 'a mesh of CPU devices',
  open: async () => {
    const devices = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
    return new MeshDevice(new Mesh(['data', 'model'], [1, 2]), { devices })
  },
})
