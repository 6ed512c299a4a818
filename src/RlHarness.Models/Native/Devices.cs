using System.Runtime.CompilerServices;
using RlHarness.Core.Errors;
using TorchSharp;

namespace RlHarness.Models.Native;

/// <summary>Chooses a device: <c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:n</c>.</summary>
public static class Devices
{
    /// <exception cref="HarnessException">The name is not one of the four, or the GPU that it asks for isn't there.</exception>
    public static torch.Device Choose(string name)
    {
        NativeRuntime.EnsureLoaded();
        if (name == "cpu")
            return torch.CPU;
        if (name == "auto")
            return CudaCount() > 0 ? torch.CUDA : torch.CPU;
        var index = 0;
        if (name != "cuda" && !(name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out index) && index >= 0))
            throw new HarnessException(ErrorKind.BadInput, "unknown device", found: name, expected: "auto, cpu, cuda or cuda:n");
        var count = CudaCount();
        if (index < count)
            return torch.device(DeviceType.CUDA, index);
        throw new HarnessException(
            ErrorKind.Resource,
            $"device {name} was asked for and is not there",
            found: count == 0 ? WhyNoCuda() : $"{count} CUDA device(s)",
            expected: $"at least {index + 1} CUDA device(s)",
            remedy: "use device=auto or device=cpu, or see docs/backends.md for the cuda and external back ends"
        );
    }

    public static int CudaCount()
    {
        NativeRuntime.EnsureLoaded();
        return HasCudaLibrary() && torch.cuda.is_available() ? torch.cuda.device_count() : 0;
    }

    /// <summary>One sentence that says why there is no GPU to use.</summary>
    public static string WhyNoCuda()
    {
        if (!HasCudaLibrary())
            return "this build's libtorch has no CUDA (no libtorch_cuda.so)";
        return File.Exists("/proc/driver/nvidia/version")
            ? "libtorch has CUDA and a driver is loaded, but no device is visible (CUDA_VISIBLE_DEVICES?)"
            : "libtorch has CUDA, but no NVIDIA driver is loaded";
    }

    private static bool HasCudaLibrary() => NativeRuntime.LibtorchFolder is { } folder && File.Exists(Path.Combine(folder, "libtorch_cuda.so"));
}

/// <summary>
/// The one way of numbers from a tensor to the host. On a GPU each read waits until all that was started before it has ended, so code that computes has few of
/// them, and reads together what it needs at one time.
/// </summary>
public static class HostReads
{
    [ThreadStatic]
    private static Counter? _counter;

    /// <summary>Who counts the reads of this thread; null: nobody.</summary>
    internal static Counter? Current
    {
        get => _counter;
        set => _counter = value;
    }

    /// <summary>The number in a tensor of one element.</summary>
    public static double Number(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Count();
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.ScalarType.Float64).item<double>();
    }

    /// <summary>The numbers of several tensors of one device, each flattened, by one read. Whole numbers up to 2^53 and fp32 come through unchanged.</summary>
    public static double[][] Numbers(params IReadOnlyList<torch.Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var scope = torch.NewDisposeScope();
        using var guard = torch.no_grad();
        var flat = tensors.Select(t => t.detach().to(torch.ScalarType.Float64).reshape(-1)).ToArray();
        if (flat.Length == 0)
            return [];
        var all = Array<double>(flat.Length == 1 ? flat[0] : torch.cat(flat, 0));
        var numbers = new double[flat.Length][];
        var at = 0;
        for (var i = 0; i < flat.Length; i++)
        {
            numbers[i] = all[at..(at + (int)flat[i].shape[0])];
            at += numbers[i].Length;
        }

        return numbers;
    }

    /// <summary>All elements in their order; the tensor's type has to be that of <typeparamref name="T"/>.</summary>
    public static T[] Array<T>(torch.Tensor tensor)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Count();
        using var scope = torch.NewDisposeScope();
        return tensor.detach().cpu().data<T>().ToArray();
    }

    /// <summary>The tensor in the memory of the host; the same numbers, not a copy, where it is there already.</summary>
    public static torch.Tensor Copy(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Count();
        return tensor.cpu();
    }

    /// <summary>The bytes of a contiguous tensor that lies in the memory of the host, to be read and written where they are: no transfer.</summary>
    /// <exception cref="InvalidOperationException">The tensor lies elsewhere.</exception>
    public static Span<byte> Memory(torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.device_type == DeviceType.CPU
            ? tensor.bytes
            : throw new InvalidOperationException($"a tensor on {tensor.device} has no memory on the host: copy it first");
    }

    private static void Count()
    {
        if (_counter is { } counter)
            counter.Add();
    }

    /// <summary>Counts the reads of the thread that made it, and of the pieces of work that this thread hands to others, until it is disposed of.</summary>
    internal sealed class Counter : IDisposable
    {
        private readonly Counter? _outer = _counter;
        private int _reads;

        internal Counter() => _counter = this;

        internal int Reads => Volatile.Read(ref _reads);

        internal void Add() => Interlocked.Increment(ref _reads);

        public void Dispose() => _counter = _outer;
    }
}

/// <summary>
/// Compares the devices of an operation's operands. libtorch itself takes some mixtures without a word, and computes others where no test without a GPU would
/// see them. On where the switch is set when the program starts (tests and gpu-check set it), else without any cost.
/// </summary>
public static class OperandDevices
{
    /// <summary>Name of the switch (<see cref="AppContext"/>).</summary>
    public const string Switch = "RlHarness.CheckDevices";

    private static readonly bool Checked = AppContext.TryGetSwitch(Switch, out var on) && on;

    /// <summary>Operands that are null are not there; names are written by the compiler.</summary>
    /// <exception cref="InvalidOperationException">Two operands lie on different devices: it says which.</exception>
    public static void Same(
        string operation,
        torch.Tensor first,
        torch.Tensor? second,
        torch.Tensor? third = null,
        torch.Tensor? fourth = null,
        [CallerArgumentExpression(nameof(first))] string firstName = "",
        [CallerArgumentExpression(nameof(second))] string secondName = "",
        [CallerArgumentExpression(nameof(third))] string thirdName = "",
        [CallerArgumentExpression(nameof(fourth))] string fourthName = ""
    )
    {
        if (!Checked)
            return;
        ArgumentNullException.ThrowIfNull(first);
        Pair(operation, first, firstName, second, secondName);
        Pair(operation, first, firstName, third, thirdName);
        Pair(operation, first, firstName, fourth, fourthName);
    }

    private static void Pair(string operation, torch.Tensor a, string nameOfA, torch.Tensor? b, string nameOfB)
    {
        if (b is null || (a.device_type == b.device_type && a.device_index == b.device_index))
            return;
        throw new InvalidOperationException($"{operation}: {nameOfA} lies on {a.device} and {nameOfB} on {b.device}");
    }
}
