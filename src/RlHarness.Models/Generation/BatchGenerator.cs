using System.Collections.Concurrent;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Parallel;
using static TorchSharp.torch;

// Symbols: B rows that decode together, V vocabulary.
namespace RlHarness.Models.Generation;

/// <summary>
/// Generates many answers at once: each distinct prompt is read once for all its samples, an answer that is finished makes place for one that waits, and each
/// answer has a random stream of its own, so that batch size and order change no token.
/// </summary>
public sealed class BatchGenerator(Decoder decoder, Tokenizer? tokenizer = null)
{
    /// <summary>Rows that are worth a thread of their own.</summary>
    private const int LeastRows = 8;

    /// <summary>The share of places that have to be free before waiting prompts are read: reading few at a time costs more than empty places.</summary>
    private const int FreeShare = 4;

    /// <summary>More would leave fewer parts to go on with where a process was stopped; fewer would leave places empty at the end of each.</summary>
    private const int RequestsForPlace = 4;

    /// <summary>Steps that are worth packing the weights for.</summary>
    private const int PackingSteps = 8;

    /// <summary>Answers in the order of the requests.</summary>
    /// <param name="requests">What to answer.</param>
    /// <param name="settings">How to draw.</param>
    /// <param name="seeds">Each answer draws from <c>seeds.For("sample", step, prompt, sample)</c>.</param>
    /// <param name="step">Training step, part of the stream's name.</param>
    /// <param name="onFinished">Called with the number of finished answers as they come.</param>
    /// <param name="cancellation">Checked at each token.</param>
    /// <param name="answers">
    /// Answers that a call with the same arguments gave before it was stopped, by their place in the requests; new ones are added as they come, by one thread
    /// at a time. A part all of whose answers are there is not computed again; any other is computed whole, as it was, since the last bits of a product depend
    /// on the rows beside it.
    /// </param>
    public IReadOnlyList<GeneratedSequence> Generate(
        IReadOnlyList<GenerationRequest> requests,
        SamplingSettings settings,
        Seeds seeds,
        long step = 0,
        Action<int>? onFinished = null,
        CancellationToken cancellation = default,
        IDictionary<int, GeneratedSequence>? answers = null
    )
    {
        Check(requests, settings);
        var results = new GeneratedSequence[requests.Count];
        // Longest first, so that prompts of like length share a batch; the order of results does not change.
        var order = Enumerable.Range(0, requests.Count).OrderByDescending(i => requests[i].Ids.Count).ThenBy(i => i).ToArray();
        var finished = 0;
        var together = Math.Min(settings.BatchSize, order.Length);
        var ways = ParallelWork.DegreeOfParallelism(decoder, together / LeastRows);
        // Which answers share a batch depends on the requests and the number of threads alone, so that a run repeats bit for bit: parts are cut beforehand, and
        // any thread may take any of them.
        var places = Math.Max(1, (together + ways - 1) / ways);
        var (known, unknown) = Split(order.Chunk(PartSize(order.Length, places, ways)), answers);
        foreach (var i in known)
            results[i] = answers![i];
        finished = known.Length;
        var parts = new ConcurrentQueue<int[]>(unknown);
        if (parts.IsEmpty)
            return results;
        using var packed = settings.MaxNewTokens >= PackingSteps ? decoder.PackWeights() : null;
        ParallelWork.Run([.. Enumerable.Repeat(Answer, ways)]);
        return results;

        void Answer()
        {
            using var guard = no_grad();
            while (parts.TryDequeue(out var part))
            {
                using var scope = NewDisposeScope();
                Run(
                    new Queue<Row>(
                        part.Select(i => new Row(
                            i,
                            requests[i],
                            seeds.For("sample", step, requests[i].Prompt, requests[i].Sample),
                            settings.StopStrings.Count > 0 ? tokenizer : null
                        ))
                    ),
                    Math.Min(places, part.Length),
                    settings,
                    row =>
                    {
                        results[row.Index] = new GeneratedSequence(row.Request, row.Tokens, row.Logprobs, row.Finish);
                        lock (parts)
                        {
                            answers?[row.Index] = results[row.Index];
                            onFinished?.Invoke(++finished);
                        }
                    },
                    cancellation
                );
            }
        }
    }

    /// <summary>Requests of a part: about four for each place, as many parts for each thread.</summary>
    private static int PartSize(int requests, int places, int ways)
    {
        var parts = ways * Math.Max(1, (int)Math.Round(requests / (double)(RequestsForPlace * places * ways)));
        return Math.Max(1, (requests + parts - 1) / parts);
    }

    /// <summary>Places in parts all of whose answers are there, and the other parts.</summary>
    private static (int[] Known, int[][] Unknown) Split(IEnumerable<int[]> parts, IDictionary<int, GeneratedSequence>? answers)
    {
        var all = parts.ToArray();
        if (answers is null || answers.Count == 0)
            return ([], all);
        var known = all.Where(b => b.All(answers.ContainsKey)).ToArray();
        return ([.. known.SelectMany(b => b)], [.. all.Except(known)]);
    }

    /// <summary>Answers all that wait, the longest prompt first, with so many places.</summary>
    private void Run(Queue<Row> waiting, int places, SamplingSettings settings, Action<Row> done, CancellationToken cancellation)
    {
        var device = decoder.Device;
        using var cache = new KeyValueCache(decoder.Config, places, waiting.Max(r => r.Request.Ids.Count) + settings.MaxNewTokens, decoder.ComputeType, device);
        // Elsewhere rows have to lie in the order of the batch, so that the cache is copied when one leaves.
        var movesRows = !CachedStep.IsSupported(device, decoder.ComputeType, decoder.Config.HeadDim);
        var free = new Queue<int>(Enumerable.Range(0, places));
        var rows = new List<Row>();
        Tensor? hidden = null;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            if (waiting.Count > 0 && (rows.Count == 0 || free.Count * FreeShare >= places))
            {
                Row[] admitted = [.. Enumerable.Range(0, Math.Min(free.Count, waiting.Count)).Select(_ => waiting.Dequeue())];
                foreach (var row in admitted)
                    row.Slot = free.Dequeue();
                var read = Prefill(admitted, cache);
                var decoding = hidden;
                hidden = decoding is null ? read : cat([decoding, read], 0);
                decoding?.Dispose();
                rows.AddRange(admitted);
            }

            var logits = decoder.SummedLogits(hidden!); // [B, V]
            hidden!.Dispose();
            hidden = null;
            var (ids, logprobs) = Sampler.Draw(
                logits,
                settings,
                [.. rows.Select(r => settings.Temperature == 0 ? 0 : r.Random.NextDouble())],
                Previous(rows, settings, device),
                Suppressed(rows, settings, logits.shape[1], device),
                decoder.ComputeType
            );
            for (var i = 0; i < rows.Count; i++)
            {
                if (!float.IsFinite(logprobs[i]))
                    throw NotFinite(rows[i], logprobs[i]);
                rows[i].Take((int)ids[i], logprobs[i], settings);
            }

            foreach (var row in rows.Where(r => r.Finished))
            {
                done(row);
                free.Enqueue(row.Slot);
            }

            if (rows.RemoveAll(r => r.Finished) > 0 && movesRows && rows.Count > 0)
            {
                cache.Rearrange(tensor([.. rows.Select(r => (long)r.Slot)], device: device), waiting.Count > 0 ? places - rows.Count : 0);
                for (var i = 0; i < rows.Count; i++)
                    rows[i].Slot = i;
                free = new(Enumerable.Range(rows.Count, places - rows.Count));
            }

            if (rows.Count == 0)
            {
                if (waiting.Count == 0)
                    return;
                if (movesRows)
                    free = new(Enumerable.Range(0, places));
                continue;
            }

            var next = tensor(rows.Select(r => (long)r.Tokens[^1]).ToArray(), device: device);
            long[] positions = [.. rows.Select(r => (long)r.Request.Ids.Count + r.Tokens.Count - 1)];
            using var attention = new StepAttention(decoder.Config, cache, [.. rows.Select(r => (long)r.Slot)], positions, device);
            hidden = decoder.ForwardCached(next, tensor(positions, device: device), positions.Max(), attention); // [B, H]
            // The first position behind the switch of LongRoPE's tables.
            int[] crossing = [.. Enumerable.Range(0, rows.Count).Where(i => positions[i] == decoder.SwitchLength)];
            if (crossing.Length > 0)
                hidden = ReadAgain(rows, crossing, cache, hidden);
            hidden.MoveToOuterDisposeScope();
        }
    }

    /// <summary>Reads each distinct prompt once, writes the cache, and returns the last hidden state of each row [B, H].</summary>
    private Tensor Prefill(IReadOnlyList<Row> rows, KeyValueCache cache)
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
        using var batch = TokenBatch.Pack(prompts, decoder.Device, switches ? 0 : int.MaxValue, decoder.SharesDeeply);
        var hidden = decoder.ForwardCached(batch, Writing(cache, batch, rows, i => ((int)source[i], prompts[(int)source[i]].Count)));
        return Last(hidden, batch, [.. prompts.Select(p => p.Count)]).index_select(0, tensor(source, device: decoder.Device)).MoveToOuterDisposeScope();
    }

    /// <summary>Writes the cache of some rows anew, from the first token to the last, and puts their last hidden states in the place of the old ones.</summary>
    private Tensor ReadAgain(List<Row> rows, int[] which, KeyValueCache cache, Tensor hidden)
    {
        using var scope = NewDisposeScope();
        Row[] own = [.. which.Select(i => rows[i])];
        List<IReadOnlyList<int>> sequences = [.. own.Select(r => (IReadOnlyList<int>)[.. r.Request.Ids, .. r.Tokens])];
        using var batch = TokenBatch.Pack(sequences, decoder.Device);
        var read = decoder.ForwardCached(batch, Writing(cache, batch, own, i => (i, sequences[i].Count)));
        var states = Last(read, batch, [.. sequences.Select(s => s.Count)]);
        return hidden.index_copy(0, tensor(Array.ConvertAll(which, i => (long)i), device: decoder.Device), states).MoveToOuterDisposeScope();
    }

    /// <summary>Attention that writes what it reads into the places of rows.</summary>
    /// <param name="of">Sequence of the batch that a row has, and its tokens.</param>
    private PrefillAttention Writing(KeyValueCache cache, TokenBatch batch, IReadOnlyList<Row> rows, Func<int, (int Sequence, int Count)> of)
    {
        var (cells, sources) = (new List<long>(), new List<long>());
        for (var i = 0; i < rows.Count; i++)
        {
            var (sequence, count) = of(i);
            for (var t = 0; t < count; t++)
            {
                cells.Add(rows[i].Slot * cache.Capacity + t);
                sources.Add(batch.RowOf(sequence, t));
            }
        }

        Tensor Make(List<long> values) => tensor(values.ToArray(), device: decoder.Device);
        return new PrefillAttention(decoder.Config, batch, decoder.ComputeType, cache, Make(cells), Make(sources));
    }

    /// <summary>Hidden state of each sequence's last token.</summary>
    private Tensor Last(Tensor hidden, TokenBatch batch, int[] counts) =>
        hidden.index_select(0, tensor(counts.Select((count, i) => (long)batch.RowOf(i, count - 1)).ToArray(), device: decoder.Device));

    /// <summary>Tokens that rows may not draw, since they would end too short an answer: bool [B, V] or [1, V]; null: none.</summary>
    private static Tensor? Suppressed(List<Row> rows, SamplingSettings settings, long vocabulary, Device device)
    {
        if (settings.StopIds.Count == 0 || rows.All(r => r.Tokens.Count >= settings.MinNewTokens))
            return null;
        var ends = zeros(1, vocabulary, dtype: ScalarType.Bool, device: device)
            .index_fill_(1, tensor(settings.StopIds.Select(i => (long)i).ToArray(), device: device), true);
        return rows.All(r => r.Tokens.Count < settings.MinNewTokens)
            ? ends
            : ends.logical_and(tensor(rows.Select(r => r.Tokens.Count < settings.MinNewTokens).ToArray(), device: device).unsqueeze(1));
    }

    // A row with one NaN or infinite logit has no probabilities: whatever is drawn from it means nothing.
    private static HarnessException NotFinite(Row row, float logprob) => NotFinite(row.Request, row.Tokens.Count, logprob);

    internal static HarnessException NotFinite(GenerationRequest request, int token, float logprob) =>
        new(
            ErrorKind.Numerics,
            "logits are not finite",
            FormattableString.Invariant($"log-probability {logprob} at token {token} of the answer to prompt {request.Prompt}, sample {request.Sample}"),
            "finite numbers",
            "the model's weights are damaged, diverged in training, or overflow in this precision (try float32)"
        );

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

        /// <summary>Its place in the cache.</summary>
        public int Slot { get; set; }

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
            else if (Tokens.Count >= Math.Min(settings.MaxNewTokens, request.MaxNewTokens ?? int.MaxValue))
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
