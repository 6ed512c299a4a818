using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Runs a loop on libtorch's own OpenMP threads. Its threads wait actively between two operations, so that a second pool beside them would compete for the
/// same cores; where libtorch has no OpenMP of the GNU kind, the loop runs on the calling thread.
/// </summary>
public static unsafe class CpuThreads
{
    private static readonly delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<void*, void>, void*, uint, uint, void> Start = (delegate* unmanaged[Cdecl]<
        delegate* unmanaged[Cdecl]<void*, void>,
        void*,
        uint,
        uint,
        void>)
        Native.NativeRuntime.FindInLibtorch("GOMP_parallel");

    /// <summary>True when loops are spread over threads.</summary>
    public static bool Available => Start != null;

    /// <summary>Calls <paramref name="body"/> with pieces [from, to) that cover [0, count), each of <paramref name="piece"/> or fewer, in any order.</summary>
    /// <param name="count">Rows.</param>
    /// <param name="piece">Rows of a piece: fixed by the caller, so that sums over a piece do not depend on the number of threads.</param>
    /// <param name="body">Must not touch tensors' reference counts or grad mode: it runs on threads that know nothing of them.</param>
    public static void For(long count, long piece, Action<long, long> body)
    {
        if (count <= 0)
            return;
        var threads = torch.get_num_threads();
        if (count <= piece || threads <= 1 || !Available)
        {
            for (var at = 0L; at < count; at += piece)
                body(at, Math.Min(count, at + piece));
            return;
        }

        var job = new Job(body, count, piece);
        var handle = GCHandle.Alloc(job);
        try
        {
            Start(&Run, (void*)GCHandle.ToIntPtr(handle), (uint)Math.Min(threads, (count + piece - 1) / piece), 0);
        }
        finally
        {
            handle.Free();
        }

        if (job.Error is { } error)
            throw new InvalidOperationException("a kernel failed", error);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Design",
        "CA1031:Do not catch general exception types",
        Justification = "An exception must not cross native frames; For throws it again."
    )]
    private static void Run(void* data)
    {
        var job = (Job)GCHandle.FromIntPtr((nint)data).Target!;
        try
        {
            job.Work();
        }
        catch (Exception e)
        {
            job.Error = e;
        }
    }

    private sealed class Job(Action<long, long> body, long count, long piece)
    {
        private long _next;

        internal Exception? Error { get; set; }

        internal void Work()
        {
            while (true)
            {
                var at = Interlocked.Add(ref _next, piece) - piece;
                if (at >= count)
                    return;
                body(at, Math.Min(count, at + piece));
            }
        }
    }
}
