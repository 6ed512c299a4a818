using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using TorchSharp;

namespace RlHarness.Models.Native;

/// <summary>Loads libtorch and TorchSharp's own library, on Debian 12 as on newer systems, from the packages or from a folder of the user's.</summary>
public static partial class NativeRuntime
{
    /// <summary>A folder with libtorch (for example <c>site-packages/torch/lib</c>) to use in place of the packages' own.</summary>
    public const string LibtorchVariable = "RLHARNESS_LIBTORCH";
    private const string Library = "libLibTorchSharp.so";
    private static readonly Lock Gate = new();
    private static bool _loaded;
    private static bool _prepared;

    /// <summary>Where libtorch was loaded from; null before <see cref="EnsureLoaded"/>.</summary>
    public static string? LibtorchFolder { get; private set; }

    /// <summary>True when libtorch comes from <see cref="LibtorchVariable"/>.</summary>
    public static bool IsExternal { get; private set; }

    /// <summary>What was done to make the library load, for <c>doctor</c>.</summary>
    public static string Notes { get; private set; } = "nothing had to be patched";

    /// <summary>
    /// Address of what libtorch_cpu exports, or a library that it depends on, as dlsym looks through those too (the OpenMP that it runs on); null
    /// where it is not there.
    /// </summary>
    internal static unsafe void* FindInLibtorch(string symbol)
    {
        EnsureLoaded();
        return
            LibtorchFolder is { } folder
            && NativeLibrary.TryLoad(Path.Combine(folder, "libtorch_cpu.so"), out var library)
            && NativeLibrary.TryGetExport(library, symbol, out var entry)
            ? (void*)entry
            : null;
    }

    /// <summary>Loads the native libraries once; later calls return at once.</summary>
    /// <exception cref="HarnessException">They can't be loaded; the message says which, from where, and what fits.</exception>
    public static void EnsureLoaded()
    {
        lock (Gate)
        {
            if (_loaded)
                return;
            Prepare();
            try
            {
                torch.InitializeDeviceType(DeviceType.CPU);
            }
            catch (Exception e) when (e is NotSupportedException or DllNotFoundException or TypeInitializationException)
            {
                throw new HarnessException(
                    ErrorKind.Resource,
                    "libtorch did not load",
                    found: FirstLine(e),
                    expected: $"{Library} and libtorch beside the program, or libtorch 2.10 in the folder that {LibtorchVariable} names",
                    remedy: "run `rlharness doctor`, or build again with -p:RlHarnessBackend=cpu|cuda|external (docs/backends.md)",
                    inner: e
                );
            }

            _loaded = true;
        }
    }

    private static void Prepare()
    {
        if (_prepared || !OperatingSystem.IsLinux())
            return;
        KeepLargeBlocks();
        var ours = FindLibrary();
        if (Environment.GetEnvironmentVariable(LibtorchVariable) is { Length: > 0 } folder)
            LoadExternal(folder, ours);
        else
            LibtorchFolder = ours is null ? null : Path.GetDirectoryName(ours);
        if (ours is not null)
            Patch(ours);
        _prepared = true;
    }

    private static void LoadExternal(string folder, string? ours)
    {
        var libtorch = Path.Combine(folder, "libtorch.so");
        if (!File.Exists(libtorch))
            throw new HarnessException(
                ErrorKind.Resource,
                $"{LibtorchVariable} names a folder without libtorch",
                found: folder,
                expected: "a folder that holds libtorch.so, such as .../site-packages/torch/lib",
                remedy: "python3 -c 'import torch, os; print(os.path.join(os.path.dirname(torch.__file__), \"lib\"))' prints it"
            );
        if (ours is not null && File.Exists(Path.Combine(Path.GetDirectoryName(ours)!, "libtorch_cpu.so")))
            throw new HarnessException(
                ErrorKind.Resource,
                $"{LibtorchVariable} is set, but this build has a libtorch of its own; two copies in one process do not work",
                found: Path.GetDirectoryName(ours),
                expected: "a build with -p:RlHarnessBackend=external",
                remedy: $"publish with -p:RlHarnessBackend=external, or unset {LibtorchVariable}"
            );
        LibtorchVersion.Check(folder);
        NativeLibrary.Load(libtorch);
        (LibtorchFolder, IsExternal) = (folder, true);
    }

    private static string? FindLibrary()
    {
        var folders = new List<string> { AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native") };
        if (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is string search)
            folders.AddRange(search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries));
        return folders.Select(f => Path.Combine(f, Library)).FirstOrDefault(File.Exists);
    }

    /// <summary>
    /// Replaces the library beside the program by a patched copy (by rename: the package's own file may be the same inode), or loads one from the
    /// temporary folder.
    /// </summary>
    private static void Patch(string path)
    {
        var image = File.ReadAllBytes(path);
        if (!ElfVersionNeed.MakeWeak(image, ElfVersionNeed.TorchSharpMarker))
            return;
        try
        {
            Write(path, image);
            DeleteStaleCopy();
            Notes = $"requirement on {ElfVersionNeed.TorchSharpMarker} made weak in {Path.GetFileName(path)} beside the program";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A program folder that can't be written: the same library from the temporary folder, found by its soname later.
            var copy = Path.Combine(Directory.CreateTempSubdirectory("rlharness-native-").FullName, Library);
            Write(copy, image);
            if (!IsExternal)
                NativeLibrary.Load(Path.Combine(Path.GetDirectoryName(path)!, "libtorch.so"));
            NativeLibrary.Load(copy);
            Notes = $"requirement on {ElfVersionNeed.TorchSharpMarker} made weak in a copy in the temporary folder (the program's folder is read-only)";
        }
    }

    private static void Write(string path, byte[] image)
    {
        var aside = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            File.WriteAllBytes(aside, image);
            File.Move(aside, path, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }

    /// <summary>TorchSharp copies its natives into a folder <c>cpu</c> the first time a load fails, and finds that unpatched copy first.</summary>
    private static void DeleteStaleCopy()
    {
        var copy = Path.Combine(Path.GetDirectoryName(typeof(torch).Assembly.Location) ?? AppContext.BaseDirectory, "cpu");
        if (File.Exists(Path.Combine(copy, Library)))
            Directory.Delete(copy, recursive: true);
    }

    /// <summary>
    /// glibc maps and unmaps each large tensor; keeping blocks of up to 64 MiB on the heap spares the page faults. Larger ones (weights, blocks of logits) are
    /// few, and on the heap they would leave holes that nothing fits into.
    /// </summary>
    private static void KeepLargeBlocks()
    {
        const int trimThreshold = -1,
            mmapThreshold = -3;
        try
        {
            _ = SetAllocatorOption(mmapThreshold, 64 << 20);
            _ = SetAllocatorOption(trimThreshold, 1 << 30);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            Notes = "the C library has no mallopt: large tensors are mapped and unmapped each time";
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetAllocatorOption(int parameter, int value);

    private static string FirstLine(Exception e) => (e.InnerException?.Message ?? e.Message).Split('\n')[0].Trim();
}
