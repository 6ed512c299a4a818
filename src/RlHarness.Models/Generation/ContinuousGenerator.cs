using System.Diagnostics.CodeAnalysis;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Models.Parallel;
using static TorchSharp.torch;

namespace RlHarness.Models.Generation;

/// <summary>
/// Generates answers that are asked for at any time: a sequence joins those that are decoding between two tokens, and leaves when it is finished or nobody
/// waits for it any more. Each has a random stream and sampling settings of its own, so its tokens are those that <see cref="BatchGenerator"/> draws for
/// the same request, settings and seeds.
/// </summary>
public sealed class ContinuousGenerator : IDisposable
{
    /// <summary>Rows that are worth a thread of their own.</summary>
    private const int LeastRows = 8;

    private readonly Decoder _decoder;
    private readonly int _rowsEach;
    private readonly int _ways;
    private readonly LinkedList<LiveSequence> _waiting = [];
    private readonly object _gate = new();
    private readonly Thread _thread;
    private int _active;
    private bool _stopped;

    /// <summary>Takes the calling thread's number of libtorch threads, and starts to wait for sequences.</summary>
    /// <param name="decoder">Not owned; nobody may change its weights meanwhile.</param>
    /// <param name="rows">Sequences that decode together, at most.</param>
    public ContinuousGenerator(Decoder decoder, int rows = 64)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        _decoder = decoder;
        _ways = ParallelWork.DegreeOfParallelism(decoder, rows / LeastRows);
        _rowsEach = (rows + _ways - 1) / _ways;
        var (threads, fused, reads) = (get_num_threads(), FusedKernels.Enabled, HostReads.Current);
        _thread = new Thread(() =>
        {
            set_num_threads(threads);
            (FusedKernels.Enabled, HostReads.Current) = (fused, reads);
            using var packed = _decoder.PackWeights();
            ParallelWork.Run([.. Enumerable.Repeat(Work, _ways)]);
        })
        {
            IsBackground = true,
            Name = "generation",
        };
        _thread.Start();
    }

    /// <summary>Sequences that decode now.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>Sequences that wait for a place.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>Puts sequences behind those that wait, all or none.</summary>
    /// <param name="most">How many may wait beyond those that have a place.</param>
    /// <returns>False where they would be too many, or the generator has stopped.</returns>
    /// <exception cref="HarnessException">A prompt is empty, has an id that the model lacks, or does not fit the context with its answer.</exception>
    public bool TryAdd(IReadOnlyList<LiveSequence> sequences, int most)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        foreach (var settings in sequences.GroupBy(s => s.Settings))
            BatchGenerator.Check(_decoder.Config, [.. settings.Select(s => s.Request)], settings.Key);
        lock (_gate)
        {
            if (_stopped || _waiting.Count + _active + sequences.Count > (_rowsEach * _ways) + most)
                return false;
            foreach (var sequence in sequences)
                _waiting.AddLast(sequence);
            Monitor.PulseAll(_gate);
        }

        return true;
    }

    /// <summary>Ends every sequence as cancelled, and returns when nothing is computed any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
        }

        _thread.Join();
        foreach (var sequence in _waiting)
            sequence.Fail(new OperationCanceledException("the generator has stopped"));
        _waiting.Clear();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whoever waits for a sequence gets the error.")]
    private void Work()
    {
        using var guard = no_grad();
        using var batch = new SlotBatch(_decoder);
        while (Next(batch.Count) is { } joining)
        {
            var before = batch.Count;
            try
            {
                using var scope = NewDisposeScope();
                if (joining.Count > 0)
                    batch.Join(joining);
                batch.Step();
            }
            catch (Exception e)
            {
                foreach (var sequence in joining)
                    sequence.Fail(e);
                batch.Fail(e);
            }

            Interlocked.Add(ref _active, batch.Count - before - joining.Count);
        }

        batch.Fail(new OperationCanceledException("the generator has stopped"));
    }

    /// <summary>Sequences that join now, waiting for one where there is nothing to decode; null when the generator has stopped.</summary>
    private List<LiveSequence>? Next(int decoding)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && decoding == 0 && !_stopped)
                Monitor.Wait(_gate);
            if (_stopped)
                return null;
            // Threads share what there is, unless it is too little to be worth it.
            var share = Math.Min(_rowsEach, Math.Max(LeastRows, (_active + _waiting.Count + _ways - 1) / _ways));
            var joining = new List<LiveSequence>();
            while (decoding + joining.Count < share && _waiting.First is { } first)
            {
                _waiting.RemoveFirst();
                if (!first.Value.IsAbandoned)
                    joining.Add(first.Value);
            }

            Interlocked.Add(ref _active, joining.Count);
            return joining;
        }
    }
}

/// <summary>A token as it is drawn.</summary>
/// <param name="Logprob">log p over the full vocabulary: of the model itself where alternatives were asked for, else at the sampling temperature.</param>
/// <param name="Top">The likeliest tokens of the model itself, likeliest first; empty where none were asked for.</param>
/// <param name="Ends">Whether it is a stop id, which ends the answer and is not part of its text.</param>
public readonly record struct LiveToken(int Id, float Logprob, IReadOnlyList<(int Id, float Logprob)> Top, bool Ends);

/// <summary>An answer that is being generated, and who waits for it. The callbacks run on the generator's threads and must not block.</summary>
public sealed class LiveSequence
{
    private int _ended;

    /// <param name="random">Stream that its tokens are drawn from.</param>
    /// <param name="settings">Stop strings and batch size are not looked at: <paramref name="onToken"/> ends an answer at a text.</param>
    /// <param name="onToken">Called for each token; false ends the answer there.</param>
    /// <param name="onEnd">Called once: with why it ended, or with the error.</param>
    /// <param name="cancellation">Nobody waits for it any more: it leaves without a call.</param>
    public LiveSequence(
        GenerationRequest request,
        SamplingSettings settings,
        RandomStream random,
        Func<LiveToken, bool> onToken,
        Action<FinishReason?, Exception?> onEnd,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(settings);
        (Request, Settings, Random, OnToken, OnEnd, Cancellation) = (request, settings, random, onToken, onEnd, cancellation);
    }

    public GenerationRequest Request { get; }

    public SamplingSettings Settings { get; }

    /// <summary>How many of the likeliest tokens to give with each token, 0 to 20; null: none, and log-probabilities at the sampling temperature.</summary>
    public int? TopLogprobs { get; init; }

    internal RandomStream Random { get; }

    internal Func<LiveToken, bool> OnToken { get; }

    internal Action<FinishReason?, Exception?> OnEnd { get; }

    internal CancellationToken Cancellation { get; }

    internal List<int> Tokens { get; } = [];

    internal bool IsAbandoned => Cancellation.IsCancellationRequested;

    /// <summary>Takes a drawn token. Returns whether the answer goes on.</summary>
    internal bool Take(int id, float logprob, IReadOnlyList<(int, float)> top)
    {
        Tokens.Add(id);
        var ends = Settings.StopIds.Contains(id);
        var goesOn = OnToken(new(id, logprob, top, ends));
        FinishReason? finish =
            ends ? FinishReason.Stop
            : !goesOn ? FinishReason.StopString
            : Tokens.Count >= Settings.MaxNewTokens ? FinishReason.Length
            : null;
        if (finish is not null && Interlocked.Exchange(ref _ended, 1) == 0)
            OnEnd(finish, null);
        return finish is null;
    }

    internal void Fail(Exception error)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            OnEnd(null, error);
    }
}
