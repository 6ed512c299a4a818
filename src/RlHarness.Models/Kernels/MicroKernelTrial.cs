using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Files;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: M rows, N columns, K inner dimension.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Tries oneDNN's micro-kernel once for each build of libtorch and processor: a child process multiplies a few shapes and compares them with libtorch's own
/// product. The child is needed because a libtorch built without the micro-kernel answers with a C++ exception, which ends the process that called it.
/// </summary>
public static class MicroKernelTrial
{
    /// <summary>Name in <see cref="AppContext"/> of the command line that runs <see cref="Run"/>; programs that can do so set it at their start.</summary>
    public const string CommandKey = "RlHarness.MicroKernelTrial";

    /// <summary>Largest difference relative to the largest value: sums of 130 products, rounded to the type once.</summary>
    private const double Tolerance = 1e-2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <param name="Passed">True when the micro-kernel may be used.</param>
    /// <param name="Words">What was tried and found.</param>
    public sealed record Outcome(bool Passed, string Words)
    {
        /// <summary>False where the child was ended from outside: that says nothing of libtorch, and is not kept.</summary>
        internal bool IsKept { get; init; } = true;
    }

    /// <summary>128 and the number of SIGHUP, SIGINT, SIGKILL, SIGUSR1, SIGTERM: Ctrl-C and a cluster's signals go to a child as well.</summary>
    private static readonly int[] EndedFromOutside = [129, 130, 137, 138, 143];

    /// <summary>Compares the tiled products with libtorch's, in both types. Prints nothing; the words go to the parent process.</summary>
    public static Outcome Run()
    {
        KernelPolicy.Choose(KernelMode.On);
        NativeRuntime.EnsureLoaded();
        var found = new List<string>();
        var passed = true;
        foreach (var type in TiledProducts.Types)
        {
            var worst = Shapes.Max(s => Difference(s.M, s.K, s.N, type));
            passed &= worst <= Tolerance;
            found.Add(string.Create(CultureInfo.InvariantCulture, $"{(type == ScalarType.Float32 ? "fp32" : "bf16")} within {worst:g2}"));
        }

        return found.Count == 0
            ? new(false, "not there: it needs AVX-512 and a libtorch with oneDNN's micro-kernel")
            : new(passed, $"tried against libtorch's product in {Shapes.Length} shapes: {string.Join(", ", found)}");
    }

    /// <summary>The outcome for this libtorch and processor, from the cache or from a child process.</summary>
    internal static Outcome Find()
    {
        if (AppContext.GetData(CommandKey) is not string command)
            return new(false, $"not tried: this program has no command to try it with; {KernelPolicy.Variable}=on trusts it");
        var cache = CacheFile();
        if (Read(cache) is { } known)
            return known;
        var outcome = InChild(command);
        if (outcome.IsKept)
            Write(cache, outcome);
        return outcome;
    }

    private static (int M, int K, int N)[] Shapes => [(64, 64, 48), (96, 130, 64), (128, 64, 200)];

    private static double Difference(int m, int k, int n, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var x = (arange(m * k, dtype: ScalarType.Float32) * 0.7).sin().view(m, k).to(type); // [M, K]
        var weight = (arange(n * k, dtype: ScalarType.Float32) * 0.3).cos().view(n, k).to(type); // [N, K]
        var expected = mm(x.to(ScalarType.Float32), weight.to(ScalarType.Float32).t()); // [M, N]
        var difference = (TiledProducts.Linear(x, weight).to(ScalarType.Float32) - expected).abs().max() / expected.abs().max();
        return difference.to(ScalarType.Float64).item<double>();
    }

    internal static Outcome InChild(string command)
    {
        var parts = command.Split('\n');
        var start = new ProcessStartInfo(parts[0], parts[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[KernelPolicy.Variable] = "on";
        using var child = Process.Start(start);
        if (child is null)
            return new(false, "not tried: the child process did not start");
        var error = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEndAsync();
        if (!child.WaitForExit(Patience))
        {
            child.Kill(entireProcessTree: true);
            return new(false, $"refused: the trial did not end within {Patience.TotalSeconds:f0} s") { IsKept = false };
        }

        var words = output.Result.Trim();
        return child.ExitCode switch
        {
            0 => new(true, words),
            1 => new(false, "refused: " + words),
            var code => new(false, $"refused: the trial ended with code {code}: {error.Result.Trim().Split('\n')[0]}")
            {
                IsKept = !EndedFromOutside.Contains(code),
            },
        };
    }

    private static Outcome? Read(string? path)
    {
        if (path is null || !File.Exists(path))
            return null;
        var lines = File.ReadAllLines(path);
        return lines.Length == 2 && lines[0] is "passed" or "failed" ? new(lines[0] == "passed", lines[1]) : null;
    }

    private static void Write(string? path, Outcome outcome)
    {
        if (path is null)
            return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.WriteAllText(path, $"{(outcome.Passed ? "passed" : "failed")}\n{outcome.Words.ReplaceLineEndings(" ")}\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A home that cannot be written to: the trial runs again next time.
        }
    }

    // One file for each libtorch and processor.
    private static string? CacheFile()
    {
        NativeRuntime.EnsureLoaded();
        if (NativeRuntime.LibtorchFolder is not { } folder || !X86Base.IsSupported)
            return null;
        var library = new FileInfo(Path.Combine(folder, "libtorch_cpu.so"));
        var root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        if (root.Length == 0 || !library.Exists)
            return null;
        var (a, b, c, d) = X86Base.CpuId(1, 0);
        var identity = ElfBuildId.Read(library.FullName) ?? $"{library.FullName}:{library.Length}:{library.LastWriteTimeUtc.Ticks}";
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"1;{identity};{a & 0x0FFF0FFF};{c};{d}")))[..16];
        _ = b; // EBX holds the number of the core that answered.
        return Path.Combine(root, "rlharness", $"micro-kernel-{key}.txt");
    }
}
