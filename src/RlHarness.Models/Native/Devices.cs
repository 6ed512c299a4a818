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
