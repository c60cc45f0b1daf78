// The processes of an MPI job: who started this one, and the transport between them. Node only.

export { loadMpi, type Mpi } from './bindings'
export { guardProcess } from './guard'
export { detectLauncher, startCommand, type Launch } from './launcher'
export { openMpi, type MpiOptions, type MpiTransport } from './mpi-transport'
export { TransportError, type Message, type Transport } from '../device/transport'
