using System.Runtime.InteropServices;
using RlHarness.Core.Errors;

namespace RlHarness.Training.Collectives;

/// <summary>
/// The functions and handles of an MPI library, loaded by name. Open MPI's handles are the addresses of objects that it exports, MPICH's are fixed numbers; the
/// functions are the same by the calling convention of 64-bit Linux, which passes both in a register of that width.
/// </summary>
internal sealed unsafe partial class MpiLibrary
{
    /// <summary>A path to use in place of the names that are tried.</summary>
    internal const string Variable = "RLHARNESS_MPI";

    internal readonly delegate* unmanaged[Cdecl]<int*, byte***, int, int*, int> InitThread;
    internal readonly delegate* unmanaged[Cdecl]<int> Finalize;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, int> Abort;
    internal readonly delegate* unmanaged[Cdecl]<nint, int*, int> Rank;
    internal readonly delegate* unmanaged[Cdecl]<nint, int*, int> Size;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> Barrier;
    internal readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int> Broadcast;
    internal readonly delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int> AllReduce;
    internal readonly delegate* unmanaged[Cdecl]<void*, void*, int*, nint, nint, nint, int> ReduceScatter;
    internal readonly delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, int> AllGather;
    internal readonly delegate* unmanaged[Cdecl]<void*, int, nint, void*, int*, int*, nint, nint, int> AllGatherV;
    internal readonly nint World;
    internal readonly nint Float;
    internal readonly nint Double;
    internal readonly nint Byte;
    internal readonly nint Int64;
    internal readonly nint Sum;

    /// <summary>In place of a send buffer: the receive buffer has what is sent.</summary>
    internal readonly void* InPlace;

    private MpiLibrary(nint library, string source)
    {
        void* F(string name) => (void*)Export(library, name, source);
        InitThread = (delegate* unmanaged[Cdecl]<int*, byte***, int, int*, int>)F("MPI_Init_thread");
        Finalize = (delegate* unmanaged[Cdecl]<int>)F("MPI_Finalize");
        Abort = (delegate* unmanaged[Cdecl]<nint, int, int>)F("MPI_Abort");
        Rank = (delegate* unmanaged[Cdecl]<nint, int*, int>)F("MPI_Comm_rank");
        Size = (delegate* unmanaged[Cdecl]<nint, int*, int>)F("MPI_Comm_size");
        Barrier = (delegate* unmanaged[Cdecl]<nint, int>)F("MPI_Barrier");
        Broadcast = (delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, int>)F("MPI_Bcast");
        AllReduce = (delegate* unmanaged[Cdecl]<void*, void*, int, nint, nint, nint, int>)F("MPI_Allreduce");
        ReduceScatter = (delegate* unmanaged[Cdecl]<void*, void*, int*, nint, nint, nint, int>)F("MPI_Reduce_scatter");
        AllGather = (delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, int>)F("MPI_Allgather");
        AllGatherV = (delegate* unmanaged[Cdecl]<void*, int, nint, void*, int*, int*, nint, nint, int>)F("MPI_Allgatherv");
        Version = ReadVersion((delegate* unmanaged[Cdecl]<byte*, int*, int>)F("MPI_Get_library_version"));
        Source = source;
        if (NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out var world))
        {
            World = world;
            Float = Export(library, "ompi_mpi_float", source);
            Double = Export(library, "ompi_mpi_double", source);
            Byte = Export(library, "ompi_mpi_byte", source);
            Int64 = Export(library, "ompi_mpi_int64_t", source);
            Sum = Export(library, "ompi_mpi_op_sum", source);
            InPlace = (void*)1;
            return;
        }

        (World, Float, Double, Byte, Int64, Sum) = (0x44000000, 0x4c00040a, 0x4c00080b, 0x4c00010d, 0x4c00083a, 0x58000003);
        InPlace = (void*)-1;
    }

    /// <summary>First line of what the library calls itself.</summary>
    internal string Version { get; }

    /// <summary>The name or path that it was found by.</summary>
    internal string Source { get; }

    /// <summary>Loads the library that speaks with a launcher.</summary>
    /// <exception cref="HarnessException">It is not there.</exception>
    internal static MpiLibrary Load(Launcher launcher)
    {
        var family = launcher.Family ?? throw new ArgumentException("a launcher without MPI", nameof(launcher));
        if (family == MpiFamily.Mpich)
            // Its UCX would take SIGSEGV, which .NET makes its null checks of; read when the library is loaded, and by native code alone.
            _ = SetVariable("UCX_HANDLE_ERRORS", "none", 0);
        string[] names =
            Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? [path]
            : family == MpiFamily.OpenMpi ? ["libmpi.so.40", "libmpi.so"]
            : ["libmpich.so.12", "libmpi.so.12", "libmpich.so"];
        foreach (var name in names)
            if (NativeLibrary.TryLoad(name, out var library))
                return new(library, name);
        throw new HarnessException(
            ErrorKind.Resource,
            $"{launcher.Name} started this process as one of {launcher.Size}, and its MPI library is not there",
            $"none of {string.Join(", ", names)}",
            family == MpiFamily.OpenMpi ? "Open MPI 4 or 5" : "MPICH 4, or an MPI with MPICH's interface",
            $"install or load it (Debian: {(family == MpiFamily.OpenMpi ? "libopenmpi3" : "libmpich12")}; a module on a cluster), or set {Variable} to its path"
        );
    }

    private static nint Export(nint library, string name, string source) =>
        NativeLibrary.TryGetExport(library, name, out var address)
            ? address
            : throw new HarnessException(ErrorKind.Resource, $"{source} is no MPI library that fits", $"no {name}", "Open MPI 4 or 5, or MPICH 4");

    private static string ReadVersion(delegate* unmanaged[Cdecl]<byte*, int*, int> read)
    {
        // MPICH's own limit; Open MPI's is 256.
        var text = new byte[8192];
        var length = 0;
        fixed (byte* at = text)
            _ = read(at, &length);
        var lines = System.Text.Encoding.UTF8.GetString(text, 0, Math.Max(0, length)).TrimEnd('\0').Split('\n', ',');
        var words = string.Join(' ', lines[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return words.Replace("MPICH Version:", "MPICH", StringComparison.Ordinal);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
