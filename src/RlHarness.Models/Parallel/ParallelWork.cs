using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using TorchSharp;

namespace RlHarness.Models.Parallel;

/// <summary>
/// Runs independent pieces of work at once, each with its share of libtorch's threads. A small model's operations are so short that two threads spend much of
/// each waiting for one another; half of the work for each thread has no such waits.
/// </summary>
public static class ParallelWork
{
    /// <summary>
    /// Above so many parameters one operation keeps all threads busy, and weights that each piece reads once more cost as much as waiting
    /// (docs/speed.md).
    /// </summary>
    public const long SmallModel = 8_000_000;

    private static readonly ConcurrentBag<Worker> Idle = [];

    [ThreadStatic]
    private static bool _inside;

    /// <summary>
    /// Into how many pieces to cut work on this model, at most <paramref name="parts"/>: 1 for a model with more than <paramref name="largest"/> parameters, on
    /// a GPU, and inside a piece.
    /// </summary>
    public static int DegreeOfParallelism(Decoder decoder, int parts, long largest = SmallModel)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        var small = decoder.Device.type == DeviceType.CPU && decoder.Parameters.Count <= largest;
        return small && !_inside ? Math.Clamp(torch.get_num_threads(), 1, Math.Max(1, parts)) : 1;
    }

    /// <summary>
    /// Returns when all pieces are done. One of them runs on the calling thread; each opens its own dispose scope and switches gradients off itself.
    /// </summary>
    /// <exception cref="Exception">That of the first piece that failed, in the order given; the others have ended too.</exception>
    public static void Run(params IReadOnlyList<Action> pieces)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        if (pieces.Count == 1)
        {
            pieces[0]();
            return;
        }

        var threads = torch.get_num_threads();
        var (each, fused) = (Math.Max(1, threads / pieces.Count), FusedKernels.Enabled);
        var reads = HostReads.Current;
        var failures = new Exception?[pieces.Count];
        using var left = new CountdownEvent(pieces.Count - 1);
        for (var i = 1; i < pieces.Count; i++)
        {
            var at = i;
            if (!Idle.TryTake(out var worker))
                worker = new Worker();
            worker.Start(() =>
            {
                (FusedKernels.Enabled, HostReads.Current) = (fused, reads);
                failures[at] = Guarded(pieces[at], each);
                Idle.Add(worker);
                left.Signal();
            });
        }

        failures[0] = Guarded(pieces[0], each);
        left.Wait();
        torch.set_num_threads(threads);
        if (Array.Find(failures, f => f is not null) is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Run throws it again on the calling thread.")]
    private static Exception? Guarded(Action piece, int threads)
    {
        _inside = true;
        try
        {
            torch.set_num_threads(threads);
            piece();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
        finally
        {
            _inside = false;
        }
    }

    /// <summary>A thread of its own: libtorch's number of threads belongs to a thread, and the pool's are everybody's.</summary>
    private sealed class Worker
    {
        private readonly SemaphoreSlim _wake = new(0);
        private Action _work = static () => { };

        internal Worker() => new Thread(Loop) { IsBackground = true, Name = "side by side" }.Start();

        internal void Start(Action work)
        {
            _work = work;
            _wake.Release();
        }

        [SuppressMessage("Blocker Bug", "S2190:Loops and recursions should not be infinite", Justification = "A background thread ends with the process.")]
        private void Loop()
        {
            while (true)
            {
                _wake.Wait();
                _work();
            }
        }
    }
}
