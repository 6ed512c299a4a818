using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Planning;

/// <summary>What this machine offers a run, and what is wrong: the content of <c>doctor</c>.</summary>
public sealed record MachineReport
{
    public required string Version { get; init; }
    public required string Os { get; init; }
    public required string Framework { get; init; }

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>external</c>.</summary>
    public required string Backend { get; init; }
    public required bool LibtorchLoaded { get; init; }
    public string? LibtorchVersion { get; init; }
    public string? LibtorchFolder { get; init; }

    /// <summary>What was done to make the native libraries load.</summary>
    public required string Patched { get; init; }

    /// <summary>Null when all is well.</summary>
    public string? Error { get; init; }
    public required int Cores { get; init; }

    /// <summary>Threads of matrix products; 0 when libtorch did not load.</summary>
    public required int Threads { get; init; }

    /// <summary>The processes that this one was started with, and what connects them.</summary>
    public string Ranks { get; init; } = "1: started alone";

    /// <summary>Number types whose products this machine's processor computes in tiles of our own (docs/speed.md); the others are libtorch's.</summary>
    public required IReadOnlyList<string> TiledTypes { get; init; }

    /// <summary>Whether this project's CPU kernels are used, and how libtorch's micro-kernel was tried.</summary>
    public required string Kernels { get; init; }
    public required string Processor { get; init; }
    public required IReadOnlyList<string> Simd { get; init; }

    [JsonPropertyName("memory_gib")]
    public required double MemoryGiB { get; init; }

    [JsonPropertyName("memory_available_gib")]
    public required double MemoryAvailableGiB { get; init; }

    /// <summary>Free where runs are written by default.</summary>
    [JsonPropertyName("disk_free_gib")]
    public required double DiskFreeGiB { get; init; }
    public required IReadOnlyList<string> Gpus { get; init; }

    /// <summary>Null when there is one.</summary>
    public string? WhyNoGpu { get; init; }

    /// <summary>Folder of models, or null.</summary>
    public string? Models { get; init; }

    /// <summary>Folder of golden files for the tests, or null.</summary>
    public string? Golden { get; init; }

    /// <summary>Looks at the machine; never throws for what it finds.</summary>
    public static MachineReport Collect()
    {
        var error = TryLoad();
        var gpus = error is null ? Devices.CudaCount() : 0;
        return new MachineReport
        {
            Version = RunManifest.ProgramVersion,
            Os = RuntimeInformation.OSDescription,
            Framework = RuntimeInformation.FrameworkDescription,
            Backend =
                NativeRuntime.IsExternal || Environment.GetEnvironmentVariable(NativeRuntime.LibtorchVariable) is { Length: > 0 } ? "external"
                : NativeRuntime.LibtorchFolder is { } f && File.Exists(Path.Combine(f, "libtorch_cuda.so")) ? "cuda"
                : "cpu",
            LibtorchLoaded = error is null,
            LibtorchVersion = NativeRuntime.LibtorchFolder is { } folder
                ? (
                    NativeRuntime.IsExternal
                        ? RlHarness.Models.Native.LibtorchVersion.Read(folder) ?? "not named in its folder"
                        : RlHarness.Models.Native.LibtorchVersion.BuiltFor + " (the package's)"
                )
                : null,
            LibtorchFolder = NativeRuntime.LibtorchFolder,
            Patched = NativeRuntime.Notes,
            Error = error,
            Cores = Environment.ProcessorCount,
            Threads = error is null ? torch.get_num_threads() : 0,
            TiledTypes = error is null ? [.. TiledProducts.Types.Select(t => t == torch.ScalarType.Float32 ? "fp32" : "bf16")] : [],
            Kernels = error is null ? KernelPolicy.Words : "libtorch did not load",
            Processor = CpuInfo("model name") ?? RuntimeInformation.ProcessArchitecture.ToString(),
            Simd =
            [
                .. (CpuInfo("flags") ?? CpuInfo("Features") ?? "")
                    .Split(' ')
                    .Where(f => f is "avx" or "avx2" or "fma" or "avx512f" or "avx512_vnni" or "avx512_bf16" or "amx_bf16" or "asimd" or "sve" or "bf16"),
            ],
            MemoryGiB = ProcessMemory.TotalGiB(),
            MemoryAvailableGiB = ProcessMemory.AvailableGiB(),
            DiskFreeGiB = new DriveInfo(Environment.CurrentDirectory).AvailableFreeSpace / (double)(1 << 30),
            Gpus = [.. GpuNames(gpus)],
            WhyNoGpu =
                gpus > 0 ? null
                : error is null ? Devices.WhyNoCuda()
                : "libtorch did not load",
            Models = Folder(ModelLibrary.Variable, "models"),
            Golden = Folder("RLHARNESS_GOLDEN", "golden"),
        };
    }

    private static string? TryLoad()
    {
        try
        {
            NativeRuntime.EnsureLoaded();
            using var probe = torch.ones(2, dtype: torch.float32, device: torch.CPU);
            return null;
        }
        catch (HarnessException e)
        {
            return e.Message;
        }
#pragma warning disable CA1031 // whatever a broken library throws is what doctor is there to show
        catch (Exception e)
        {
            return $"{e.GetType().Name}: {e.Message.Split('\n')[0]}";
        }
#pragma warning restore CA1031
    }

    /// <summary>Names as the driver gives them; libtorch's own are not in TorchSharp.</summary>
    private static IEnumerable<string> GpuNames(int count)
    {
        const string driver = "/proc/driver/nvidia/gpus";
        var names = Directory.Exists(driver)
            ? Directory
                .GetDirectories(driver)
                .Order(StringComparer.Ordinal)
                .Select(d => Field(Path.Combine(d, "information"), "Model") ?? "NVIDIA GPU")
                .ToArray()
            : [];
        return Enumerable.Range(0, count).Select(i => $"cuda:{i}{(names.Length == count ? " " + names[i] : "")}");
    }

    private static string? CpuInfo(string key) => Field("/proc/cpuinfo", key);

    private static string? Field(string file, string key) =>
        !File.Exists(file)
            ? null
            : File.ReadLines(file)
                .Where(l => l.StartsWith(key, StringComparison.Ordinal))
                .Select(l => l[(l.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim())
                .FirstOrDefault();

    private static string? Folder(string variable, string name)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set)
            return Directory.Exists(set) ? set : null;
        var beside = Path.Combine("..", "shared", name);
        return Directory.Exists(beside) ? beside : null;
    }
}
