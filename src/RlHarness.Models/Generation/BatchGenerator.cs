using System.Collections.Concurrent;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Parallel;
using static TorchSharp.torch;

// Symbols: B rows that decode together, U distinct prompts among them, P columns of the longest prompt, V vocabulary.
namespace RlHarness.Models.Generation;

/// <summary>
/// Generates many answers at once: each distinct prompt is read once for all its samples, finished answers leave the batch, and each answer has a random
/// stream of its own, so that batch size and order change no token.
/// </summary>
public sealed class BatchGenerator(Decoder decoder, Tokenizer? tokenizer = null)
{
    /// <summary>Rows that are worth a thread of their own.</summary>
    private const int LeastRows = 8;

    /// <summary>Steps that are worth packing the weights for.</summary>
    private const int PackingSteps = 8;

    /// <summary>Answers in the order of the requests.</summary>
    /// <param name="requests">What to answer.</param>
    /// <param name="settings">How to draw.</param>
    /// <param name="seeds">Each answer draws from <c>seeds.For("sample", step, prompt, sample)</c>.</param>
    /// <param name="step">Training step, part of the stream's name.</param>
    /// <param name="onFinished">Called with the number of finished answers as they come.</param>
    /// <param name="cancellation">Checked at each token.</param>
    public IReadOnlyList<GeneratedSequence> Generate(
        IReadOnlyList<GenerationRequest> requests,
        SamplingSettings settings,
        Seeds seeds,
        long step = 0,
        Action<int>? onFinished = null,
        CancellationToken cancellation = default
    )
    {
        Check(requests, settings);
        var results = new GeneratedSequence[requests.Count];
        // Longest first, so that prompts of like length share a batch; the order of results does not change.
        var order = Enumerable.Range(0, requests.Count).OrderByDescending(i => requests[i].Ids.Count).ThenBy(i => i).ToArray();
        var finished = 0;
        var together = Math.Min(settings.BatchSize, order.Length);
        var ways = ParallelWork.DegreeOfParallelism(decoder, together / LeastRows);
        // Batches may run on any thread: each row has its own random stream.
        var batches = new ConcurrentQueue<int[]>(order.Chunk(Math.Max(1, (together + ways - 1) / ways)));
        using var packed = settings.MaxNewTokens >= PackingSteps ? decoder.PackWeights() : null;
        ParallelWork.Run([.. Enumerable.Repeat(Answer, ways)]);
        return results;

        void Answer()
        {
            using var guard = no_grad();
            while (batches.TryDequeue(out var batch))
            {
                using var scope = NewDisposeScope();
                Run(
                    [
                        .. batch.Select(i => new Row(
                            i,
                            requests[i],
                            seeds.For("sample", step, requests[i].Prompt, requests[i].Sample),
                            settings.StopStrings.Count > 0 ? tokenizer : null
                        )),
                    ],
                    settings,
                    row =>
                    {
                        results[row.Index] = new GeneratedSequence(row.Request, row.Tokens, row.Logprobs, row.Finish);
                        lock (batches)
                            onFinished?.Invoke(++finished);
                    },
                    cancellation
                );
            }
        }
    }

    private void Run(List<Row> rows, SamplingSettings settings, Action<Row> done, CancellationToken cancellation)
    {
        var config = decoder.Config;
        var device = decoder.Device;
        long longest = rows.Max(r => r.Request.Ids.Count),
            capacity = longest + settings.MaxNewTokens;
        using var cache = new KeyValueCache(config, rows.Select(r => r.Key).Distinct().Count(), capacity, decoder.ComputeType, device);
        var hidden = Prefill(rows, cache, longest, capacity);
        var column = longest;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var logits = decoder.SummedLogits(hidden); // [B, V]
            hidden.Dispose();
            // All rows of a batch have as many tokens.
            var suppressed =
                rows[0].Tokens.Count < settings.MinNewTokens && settings.StopIds.Count > 0
                    ? tensor(settings.StopIds.Select(i => (long)i).ToArray(), device: device)
                    : null;
            var (ids, logprobs) = Sampler.Draw(
                logits,
                settings,
                [.. rows.Select(r => settings.Temperature == 0 ? 0 : r.Random.NextDouble())],
                Previous(rows, settings, device),
                suppressed,
                decoder.ComputeType
            );
            for (var i = 0; i < rows.Count; i++)
            {
                if (!float.IsFinite(logprobs[i]))
                    throw NotFinite(rows[i], logprobs[i]);
                rows[i].Take((int)ids[i], logprobs[i], settings);
            }

            var keep = Enumerable.Range(0, rows.Count).Where(i => !rows[i].Finished).ToArray();
            if (keep.Length < rows.Count)
            {
                foreach (var row in rows.Where(r => r.Finished))
                    done(row);
                if (keep.Length == 0)
                    return;
                rows = [.. keep.Select(i => rows[i])];
                cache.Select(tensor(Array.ConvertAll(keep, i => (long)i), device: device));
            }

            var next = tensor(rows.Select(r => (long)r.Tokens[^1]).ToArray(), device: device);
            var positions = rows.Select(r => (long)r.Request.Ids.Count + r.Tokens.Count - 1).ToArray();
            using var attention = Step(rows, cache, column, longest, device);
            hidden = decoder.ForwardCached(next, tensor(positions, device: device), positions.Max(), attention); // [B, H]
            // The first position behind the switch of LongRoPE's tables.
            var crossing = Enumerable.Range(0, rows.Count).Where(i => positions[i] == decoder.SwitchLength).ToArray();
            if (crossing.Length > 0)
                hidden = ReadAgain(rows, crossing, cache, longest, capacity, hidden);
            hidden.MoveToOuterDisposeScope();
            column++;
        }
    }

    /// <summary>Reads each distinct prompt once, fills the cache, and returns the last hidden state of each row [B, H].</summary>
    private Tensor Prefill(List<Row> rows, KeyValueCache cache, long longest, long capacity)
    {
        using var scope = NewDisposeScope();
        var distinct = new Dictionary<PromptKey, int>();
        var prompts = new List<IReadOnlyList<int>>();
        var source = new long[rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            if (!distinct.TryGetValue(rows[i].Key, out var known))
            {
                distinct.Add(rows[i].Key, known = prompts.Count);
                prompts.Add(rows[i].Request.Ids);
            }

            source[i] = known;
        }

        // Prompts of both of LongRoPE's tables share no token.
        var switches = decoder.SwitchLength is { } at && prompts.Any(p => p.Count > at) && prompts.Any(p => p.Count <= at);
        using var batch = TokenBatch.Pack(prompts, decoder.Device, switches ? 0 : int.MaxValue);
        var cells = new List<long>();
        var sources = new List<long>();
        for (var u = 0; u < prompts.Count; u++)
            for (var t = 0; t < prompts[u].Count; t++)
            {
                cells.Add(u * capacity + longest - prompts[u].Count + t);
                sources.Add(batch.RowOf(u, t));
            }

        var attention = new PrefillAttention(
            decoder.Config,
            batch,
            cache,
            tensor(cells.ToArray(), device: decoder.Device),
            tensor(sources.ToArray(), device: decoder.Device)
        );
        var hidden = decoder.ForwardCached(batch, attention);
        var last = prompts.Select((p, u) => (long)batch.RowOf(u, p.Count - 1)).ToArray();
        var rowSource = tensor(source, device: decoder.Device);
        if (prompts.Count < rows.Count)
            cache.Select(rowSource);
        return hidden.index_select(0, tensor(last, device: decoder.Device)).index_select(0, rowSource).MoveToOuterDisposeScope();
    }

    /// <summary>Fills the cache of some rows anew, from the first token to the last, and puts their last hidden states in the place of the old ones.</summary>
    private Tensor ReadAgain(List<Row> rows, int[] which, KeyValueCache cache, long longest, long capacity, Tensor hidden)
    {
        using var scope = NewDisposeScope();
        List<IReadOnlyList<int>> sequences = [.. which.Select(i => (IReadOnlyList<int>)[.. rows[i].Request.Ids, .. rows[i].Tokens])];
        using var batch = TokenBatch.Pack(sequences, decoder.Device);
        var cells = new List<long>();
        for (var s = 0; s < which.Length; s++)
            for (var t = 0; t < sequences[s].Count; t++)
                cells.Add(which[s] * capacity + longest - rows[which[s]].Request.Ids.Count + t);
        var attention = new PrefillAttention(
            decoder.Config,
            batch,
            cache,
            tensor(cells.ToArray(), device: decoder.Device),
            arange(batch.Count, device: decoder.Device)
        );
        var last = sequences.Select((ids, s) => (long)batch.RowOf(s, ids.Count - 1)).ToArray();
        var states = decoder.ForwardCached(batch, attention).index_select(0, tensor(last, device: decoder.Device));
        return hidden.index_copy(0, tensor(Array.ConvertAll(which, i => (long)i), device: decoder.Device), states).MoveToOuterDisposeScope();
    }

    // A row with one NaN or infinite logit has no probabilities: whatever is drawn from it means nothing.
    private static HarnessException NotFinite(Row row, float logprob) => NotFinite(row.Request, row.Tokens.Count, logprob);

    internal static HarnessException NotFinite(GenerationRequest request, int token, float logprob) =>
        new(
            ErrorKind.Numerics,
            "logits are not finite",
            FormattableString.Invariant(
                $"log-probability {logprob} at token {token} of the answer to prompt {request.Prompt}, sample {request.Sample}"
            ),
            "finite numbers",
            "the model's weights are damaged, diverged in training, or overflow in this precision (try float32)"
        );

    private StepAttention Step(List<Row> rows, KeyValueCache cache, long column, long longest, Device device) =>
        new(decoder.Config, cache, column, [.. rows.Select(r => longest - r.Request.Ids.Count)], device);

    private static Tensor? Previous(List<Row> rows, SamplingSettings settings, Device device)
    {
        if (settings.RepetitionPenalty == 1)
            return null;
        var longest = rows.Max(r => r.Request.Ids.Count + r.Tokens.Count);
        // Rows are filled up with a token of their own: a repeated index changes nothing.
        return tensor(
            rows.SelectMany(r => r.Request.Ids.Concat(r.Tokens).Concat(Enumerable.Repeat(r.Request.Ids[0], longest - r.Request.Ids.Count - r.Tokens.Count)))
                .Select(i => (long)i)
                .ToArray(),
            rows.Count,
            longest,
            device: device
        );
    }

    private void Check(IReadOnlyList<GenerationRequest> requests, SamplingSettings settings)
    {
        if (settings.StopStrings.Count > 0 && tokenizer is null)
            throw new HarnessException(ErrorKind.BadInput, "stop strings need a tokenizer", "none", "a model with a tokenizer");
        Check(decoder.Config, requests, settings);
    }

    /// <exception cref="HarnessException">A prompt is empty, has an id that the model lacks, or does not fit the context with its answer.</exception>
    internal static void Check(DecoderConfig config, IReadOnlyList<GenerationRequest> requests, SamplingSettings settings)
    {
        if (requests.Any(r => r.Ids.Count == 0))
            throw new HarnessException(ErrorKind.BadInput, "an empty prompt", "0 tokens", "at least one token");
        var longest = requests.Count == 0 ? 0 : requests.Max(r => r.Ids.Count);
        if (longest + settings.MaxNewTokens > config.MaxPositionEmbeddings)
            throw new HarnessException(
                ErrorKind.BadInput,
                "prompt and answer do not fit the model's context",
                $"{longest} prompt tokens + max_new_tokens {settings.MaxNewTokens}",
                $"at most {config.MaxPositionEmbeddings}",
                "shorten the prompt or lower max_new_tokens"
            );
        var vocabulary = config.VocabSize;
        if (requests.SelectMany(r => r.Ids).Any(i => i < 0 || i >= vocabulary))
            throw new HarnessException(
                ErrorKind.BadInput,
                "a prompt holds a token that the model does not have",
                "an id outside the vocabulary",
                $"0 to {vocabulary - 1}",
                "does the tokenizer belong to this model?"
            );
    }

    internal readonly record struct PromptKey(IReadOnlyList<int> Ids)
    {
        public bool Equals(PromptKey other) => ReferenceEquals(Ids, other.Ids) || Ids.SequenceEqual(other.Ids);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (var id in Ids)
                hash.Add(id);
            return hash.ToHashCode();
        }
    }

    private sealed class Row(int index, GenerationRequest request, RandomStream random, Tokenizer? tokenizer)
    {
        private readonly StreamingDecoder? _stream = tokenizer?.CreateStreamingDecoder(skipSpecialTokens: false);
        private string _tail = "";

        public int Index => index;

        public GenerationRequest Request => request;

        public RandomStream Random => random;

        public PromptKey Key => new(request.Ids);

        public List<int> Tokens { get; } = [];

        public List<float> Logprobs { get; } = [];

        public bool Finished { get; private set; }

        public FinishReason Finish { get; private set; }

        public void Take(int id, float logprob, SamplingSettings settings)
        {
            Tokens.Add(id);
            Logprobs.Add(logprob);
            if (settings.StopIds.Contains(id))
                (Finished, Finish) = (true, FinishReason.Stop);
            else if (Stops(id, settings))
                (Finished, Finish) = (true, FinishReason.StopString);
            else if (Tokens.Count >= settings.MaxNewTokens)
                (Finished, Finish) = (true, FinishReason.Length);
        }

        private bool Stops(int id, SamplingSettings settings)
        {
            if (_stream is null)
                return false;
            var piece = _stream.Add(id);
            if (piece.Length == 0)
                return false;
            var longest = settings.StopStrings.Max(s => s.Length);
            var text = _tail + piece;
            _tail = text.Length >= longest ? text[^(longest - 1)..] : text;
            return settings.StopStrings.Any(s => text.Contains(s, StringComparison.Ordinal));
        }
    }
}
