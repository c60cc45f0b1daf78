// Settings of what computes. A run may go on with others.
import type { Quantisation } from '@jora/tensor/weights'
import type { Settings } from '../setting'
import { choice, matching, size, text } from '../types'

const mesh = /^ *(?:data=0*[1-9]\d* *(?:, *model=0*[1-9]\d*)?|model=0*[1-9]\d* *(?:, *data=0*[1-9]\d*)?) *$/

export const deviceSettings = {
  device: {
    type: choice({ auto: 'As fits', cpu: 'CPU', webgpu: 'GPU (WebGPU)' }),
    fallback: 'auto',
    help: 'where to compute; auto is a GPU if there is one, else the CPU',
    label: 'Device',
    about: 'What computes. “As fits” uses a GPU if there is one that is real hardware.',
    group: 'device',
  },
  gpu: {
    type: text('NAME'),
    absent: 'the fastest',
    help: 'part of the name of the GPU to compute on, as `jora devices` lists it',
    label: 'Which GPU',
    about: 'A part of its name, where there are several.',
    group: 'device',
  },
  deviceMemory: {
    type: size,
    absent: 'found out',
    help: 'the most memory to use, such as 12GB: of a GPU, or on a CPU what training steps are to fit into',
    label: 'Memory to use',
    about: 'Such as 12GB: of a GPU, where it cannot be detected, or what the steps on a processor are to fit into.',
    group: 'device',
  },
  mesh: {
    type: matching('data=N,model=N', mesh, 'data=N,model=N, either may be left out'),
    fallback: 'data=1,model=1',
    help: 'devices to share the work: rows over data, weights over model',
    label: 'Devices together',
    about: 'How the work is split: data=2 divides the rows, model=2 the weights. The picture below shows it.',
    group: 'device',
  },
  launcher: {
    type: choice({ auto: 'As fits', none: 'Nobody', mpi: 'MPI' }),
    fallback: 'auto',
    help: 'who starts the processes of a mesh; auto is mpirun or srun where one of them did',
    label: 'Launcher',
    about: 'Who starts the processes of a mesh that has several.',
    group: 'device',
    page: false,
  },
  quantize: {
    type: choice<'none' | Quantisation>({ none: 'Not at all', int8: '8 bits (int8)', nf4: '4 bits (nf4)' }),
    fallback: 'none',
    help: 'hold the linear layers of a 16-bit model in fewer bits, as QLoRA does; a GGUF has its own',
    label: 'Quantise the model',
    about:
      'Holds the layers of a 16-bit model in fewer bits: less memory, a little less exact. A GGUF file is quantised already.',
    group: 'device',
    course: true,
    readWith: { finetuningType: ['lora'] },
  },
} as const satisfies Settings
