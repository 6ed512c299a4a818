using RlHarness.Core.Errors;

namespace RlHarness.Models.Kernels;

/// <summary>Whether this project's CPU kernels are used.</summary>
public enum KernelMode
{
    /// <summary>Yes; the micro-kernel that libtorch exports is tried in a child process before it is trusted.</summary>
    Auto,

    /// <summary>Yes, the micro-kernel untried.</summary>
    On,

    /// <summary>No: everything goes through libtorch's own operations.</summary>
    Off,
}

/// <summary>
/// Decides which CPU kernels are used: <c>RLHARNESS_KERNELS</c>, or the setting <c>kernels</c>, which has the last word. Set it before the first tensor is
/// computed: what the micro-kernel's trial found holds for the rest of the process.
/// </summary>
public static class KernelPolicy
{
    /// <summary>auto, on or off.</summary>
    public const string Variable = "RLHARNESS_KERNELS";

    private static readonly Lazy<MicroKernelTrial.Outcome> Trial = new(MicroKernelTrial.Find);
    private static KernelMode? _mode;

    /// <exception cref="HarnessException">The environment variable is none of auto, on and off.</exception>
    public static KernelMode Mode => _mode ??= FromEnvironment();

    /// <summary>Overrules the environment; null leaves it in force.</summary>
    public static void Choose(KernelMode? mode) => _mode = mode ?? FromEnvironment();

    /// <summary>What is known of the micro-kernel, in words, for <c>doctor</c>.</summary>
    public static string Words =>
        Mode switch
        {
            KernelMode.Off => $"off ({Variable} or the setting kernels)",
            KernelMode.On => $"on, the micro-kernel untried ({Variable} or the setting kernels)",
            _ => Trial.Value.Words,
        };

    /// <summary>Whether this thread's work on a tensor goes through this project's kernels: on the CPU, unless they are off.</summary>
    public static bool Serves(TorchSharp.torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return FusedKernels.Apply(tensor);
    }

    internal static bool TrustsMicroKernel =>
        Mode switch
        {
            KernelMode.Off => false,
            KernelMode.On => true,
            _ => Trial.Value.Passed,
        };

    private static KernelMode FromEnvironment() =>
        Environment.GetEnvironmentVariable(Variable) switch
        {
            null or "" or "auto" => KernelMode.Auto,
            "on" => KernelMode.On,
            "off" => KernelMode.Off,
            var other => throw new HarnessException(ErrorKind.BadInput, $"{Variable} is not a mode", other, "auto, on or off"),
        };
}
