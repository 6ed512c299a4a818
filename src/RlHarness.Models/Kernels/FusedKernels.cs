using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>Which tensors the kernels of this folder can work on; the rest goes through libtorch's own operations.</summary>
internal static unsafe class FusedKernels
{
    /// <summary>About so many numbers make a piece of work that is worth a thread.</summary>
    private const long NumbersAtOnce = 1 << 14;

    private static readonly delegate* unmanaged[Cdecl]<nint, void*> Data = FindData();

    [ThreadStatic]
    private static bool _disabled;

    /// <summary>False when <see cref="KernelPolicy"/> is off. Tests and benchmarks switch it off for the work that their own thread starts.</summary>
    internal static bool Enabled
    {
        get => !_disabled && KernelPolicy.Mode != KernelMode.Off;
        set => _disabled = !value;
    }

    internal static bool Apply(Tensor x) => Enabled && x.device_type == DeviceType.CPU && x.dtype is ScalarType.Float32 or ScalarType.BFloat16;

    /// <summary>Address of the first number. The tensor has to be contiguous and to outlive its use.</summary>
    internal static byte* Address(Tensor x)
    {
        if (!x.is_contiguous())
            throw new InvalidOperationException($"a kernel needs contiguous memory; strides are {string.Join(", ", x.stride())}");
        if (x.numel() == 0)
            return null;
        if (Data != null)
            return (byte*)Data(x.Handle);
        using var first = x.view(-1).narrow(0, 0, 1); // a span of all would stop at 2 GiB
        return (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>
    /// TorchSharp's own way to the numbers, which its public surface reaches only through a span, for which two small tensors have to be made here.
    /// </summary>
    private static delegate* unmanaged[Cdecl]<nint, void*> FindData()
    {
        // It is loaded by now, and found by its name wherever it lies.
        return NativeLibrary.TryLoad("libLibTorchSharp.so", out var library) && NativeLibrary.TryGetExport(library, "THSTensor_data", out var entry)
            ? (delegate* unmanaged[Cdecl]<nint, void*>)entry
            : null;
    }

    /// <summary>Rows of a piece of work, for rows of a width.</summary>
    internal static long Piece(long width) => Math.Max(1, NumbersAtOnce / Math.Max(1, width));
}
