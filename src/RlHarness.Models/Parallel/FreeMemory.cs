using System.Runtime.InteropServices;
using RlHarness.Models.Decoders;

namespace RlHarness.Models.Parallel;

/// <summary>Returns memory between stages, so that one stage's tensors do not count against the next.</summary>
public static partial class FreeMemory
{
    /// <summary>Drops idle workspaces, collects managed garbage and trims the C heap.</summary>
    public static void Release()
    {
        Workspace.ReleaseIdle();
        // An ordinary collection keeps the pages of the objects it frees.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // A C library other than glibc has no malloc_trim.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Trim(nuint keep);
}
