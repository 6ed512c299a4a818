using System.Globalization;
using RlHarness.Core.Errors;

namespace RlHarness.Training.Collectives;

/// <summary>Collectives of an MPI library. Called by one thread at a time; counts are of 32 bits there, so that large buffers go in pieces.</summary>
public sealed unsafe class Mpi : ICollectives
{
    /// <summary>Numbers or bytes of one call.</summary>
    private const int Most = 1 << 28;

    /// <summary>
    /// Bytes of one sum. For more an MPI library asks the system for memory of its own at every call: on two ranks of one machine Open MPI 4.1.4 adds up 540 MB
    /// in 0.11 s by calls of 16 MiB, and in 1.9 s by calls of 64.
    /// </summary>
    private const int MostSummed = 16 << 20;

    /// <summary>MPI_THREAD_FUNNELED: one thread of several makes the calls.</summary>
    private const int Funneled = 1;

    private readonly MpiLibrary _mpi;

    private Mpi(MpiLibrary mpi, int rank, int size) => (_mpi, Rank, Size) = (mpi, rank, size);

    public int Rank { get; }

    public int Size { get; }

    public string Library => $"{_mpi.Version} ({_mpi.Source})";

    /// <summary>Joins the processes that a launcher started.</summary>
    /// <exception cref="HarnessException">The library is missing, or finds another number of processes than the launcher started.</exception>
    public static Mpi Open(Launcher launcher)
    {
        ArgumentNullException.ThrowIfNull(launcher);
        if (launcher.Family is null)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{launcher.Name} started {launcher.Size} processes that do not know of each other",
                "a step of several tasks without MPI",
                "one task, or MPI between them (or GPUs with NCCL)",
                "srun --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH (docs/cluster.md)"
            );
        var mpi = MpiLibrary.Load(launcher);
        int provided,
            rank,
            size;
        Check(mpi.InitThread(null, null, Funneled, &provided), "MPI_Init_thread");
        Check(mpi.Rank(mpi.World, &rank), "MPI_Comm_rank");
        Check(mpi.Size(mpi.World, &size), "MPI_Comm_size");
        if (size != launcher.Size || rank != launcher.Rank)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{launcher.Name} started {launcher.Size} processes, but MPI knows of another number",
                $"rank {rank} of {size} by {mpi.Version} ({mpi.Source})",
                $"rank {launcher.Rank} of {launcher.Size}",
                "start it by the launcher of the same MPI: mpirun.openmpi or srun --mpi=pmix for Open MPI, mpiexec.mpich or srun --mpi=pmi2 for MPICH"
            );
        return new(mpi, rank, size);
    }

    public void AllReduce(Span<float> numbers)
    {
        const int most = MostSummed / sizeof(float);
        for (var at = 0; at < numbers.Length; at += most)
            fixed (float* piece = numbers[at..])
                Check(_mpi.AllReduce(_mpi.InPlace, piece, Math.Min(most, numbers.Length - at), _mpi.Float, _mpi.Sum, _mpi.World), "MPI_Allreduce");
    }

    public void AllReduce(Span<double> numbers)
    {
        const int most = MostSummed / sizeof(double);
        for (var at = 0; at < numbers.Length; at += most)
            fixed (double* piece = numbers[at..])
                Check(_mpi.AllReduce(_mpi.InPlace, piece, Math.Min(most, numbers.Length - at), _mpi.Double, _mpi.Sum, _mpi.World), "MPI_Allreduce");
    }

    public void ReduceScatter(ReadOnlySpan<float> numbers, Span<float> part, IReadOnlyList<int> counts)
    {
        CheckCounts(counts, numbers.Length);
        if (part.Length != counts[Rank])
            throw new ArgumentException($"room for {part.Length} numbers, and the part has {counts[Rank]}", nameof(part));
        fixed (int* each = counts.ToArray())
        fixed (float* all = Pinnable(numbers))
        fixed (float* own = Pinnable(part))
            Check(_mpi.ReduceScatter(all, own, each, _mpi.Float, _mpi.Sum, _mpi.World), "MPI_Reduce_scatter");
    }

    public void AllGather(Span<float> numbers, IReadOnlyList<int> counts)
    {
        CheckCounts(counts, numbers.Length);
        fixed (int* each = counts.ToArray())
        fixed (int* starts = Starts(counts))
        fixed (float* all = Pinnable(numbers))
            Check(_mpi.AllGatherV(_mpi.InPlace, 0, _mpi.Float, all, each, starts, _mpi.Float, _mpi.World), "MPI_Allgatherv");
    }

    public byte[][] AllGather(ReadOnlySpan<byte> own)
    {
        var lengths = new long[Size];
        lengths[Rank] = own.Length;
        fixed (long* all = lengths)
            Check(_mpi.AllGather(_mpi.InPlace, 0, _mpi.Int64, all, 1, _mpi.Int64, _mpi.World), "MPI_Allgather");
        var results = Array.ConvertAll(lengths, n => new byte[n]);
        // In rounds, so that what all ranks send in one fits the counts.
        var round = Math.Max(1, Most / Size);
        for (var at = 0; at < lengths.Max(); at += round)
        {
            int[] counts = [.. lengths.Select(n => (int)Math.Clamp(n - at, 0, round))];
            var starts = Starts(counts);
            var received = new byte[counts.Sum()];
            if (counts[Rank] > 0)
                own.Slice(at, counts[Rank]).CopyTo(received.AsSpan(starts[Rank]));
            fixed (int* each = counts)
            fixed (int* from = starts)
            fixed (byte* all = received)
                Check(_mpi.AllGatherV(_mpi.InPlace, 0, _mpi.Byte, all, each, from, _mpi.Byte, _mpi.World), "MPI_Allgatherv");
            for (var r = 0; r < Size; r++)
                received.AsSpan(starts[r], counts[r]).CopyTo(results[r].AsSpan(Math.Min(at, results[r].Length)));
        }

        return results;
    }

    public byte[] Broadcast(ReadOnlySpan<byte> own)
    {
        var length = (long)own.Length;
        Check(_mpi.Broadcast(&length, 1, _mpi.Int64, 0, _mpi.World), "MPI_Bcast");
        var result = Rank == 0 ? own.ToArray() : new byte[length];
        for (var at = 0; at < result.Length; at += Most)
            fixed (byte* piece = &result[at])
                Check(_mpi.Broadcast(piece, Math.Min(Most, result.Length - at), _mpi.Byte, 0, _mpi.World), "MPI_Bcast");
        return result;
    }

    public void Barrier() => Check(_mpi.Barrier(_mpi.World), "MPI_Barrier");

    public void Abort(int code) => _ = _mpi.Abort(_mpi.World, code);

    /// <summary>Waits for all ranks, and takes leave of them.</summary>
    public void Dispose()
    {
        Barrier();
        _ = _mpi.Finalize();
    }

    private void CheckCounts(IReadOnlyList<int> counts, int total)
    {
        if (counts.Count != Size || counts.Sum(c => (long)c) != total)
            throw new ArgumentException($"{counts.Count} parts of {counts.Sum(c => (long)c)} numbers; there are {Size} of {total}", nameof(counts));
    }

    private static int[] Starts(IReadOnlyList<int> counts)
    {
        var starts = new int[counts.Count];
        for (var i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + counts[i - 1];
        return starts;
    }

    // An empty span has no address, which some libraries refuse also where nothing is read.
    private static Span<float> Pinnable(Span<float> span) => span.IsEmpty ? new float[1] : span;

    private static ReadOnlySpan<float> Pinnable(ReadOnlySpan<float> span) => span.IsEmpty ? new float[1] : span;

    private static void Check(int code, string call)
    {
        // MPI ends the process by itself at most errors.
        if (code != 0)
            throw new HarnessException(ErrorKind.Resource, $"{call} failed", code.ToString(CultureInfo.InvariantCulture), "0", "see what MPI says above");
    }
}
