using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: S slots, B rows that decode together (in slots 0 to B−1), C columns of a slot, T tokens of a prompt, w width of keys (g·d), H hidden size,
// V vocabulary.
namespace RlHarness.Models.Generation;

/// <summary>
/// Rows that decode together while others join and leave. All write the same column of the cache in a step, so a prompt is put in front of it; a row that
/// leaves gives its slot to the last one. Used by one thread.
/// </summary>
internal sealed class SlotBatch(Decoder decoder) : IDisposable
{
    /// <summary>Columns that are added at once; with less than a quarter of them left, moving rows to the front is not worth it.</summary>
    private const int Room = 256;

    /// <summary>Bytes of prompts that are kept, read already, for the next request with the same one.</summary>
    private const long KeptBytes = 256L << 20;

    /// <summary>Tokens that two prompts have to share for one to be continued from the other.</summary>
    private const int LeastShared = 16;

    /// <summary>Kept prompts that a new one is compared with, the latest first.</summary>
    private const int Compared = 64;

    private readonly List<LiveSequence> _rows = [];
    private readonly List<long> _starts = [];
    private readonly Dictionary<BatchGenerator.PromptKey, LinkedListNode<ReadPrompt>> _known = [];
    private readonly LinkedList<ReadPrompt> _recent = [];
    private Tensor[] _keys = []; // each [S, C, w]
    private Tensor[] _values = [];
    private Tensor? _hidden; // [B, H]
    private long _column;
    private long _capacity;
    private int _slots;
    private long _kept;

    /// <summary>A prompt's keys and values, each [T, w], and its last hidden state [1, H].</summary>
    private sealed record ReadPrompt(BatchGenerator.PromptKey Key, Tensor[] Keys, Tensor[] Values, Tensor Hidden, long Bytes) : IDisposable
    {
        public void Dispose()
        {
            foreach (var tensor in Keys.Concat(Values).Append(Hidden))
                tensor.Dispose();
        }
    }

    public int Count => _rows.Count;

    /// <summary>Reads the prompts of rows that are new here, each distinct one once.</summary>
    public void Join(IReadOnlyList<LiveSequence> joining)
    {
        using var scope = NewDisposeScope();
        MakeRoom(joining.Max(r => (long)r.Request.Ids.Count), _rows.Count + joining.Count);
        var first = _rows.Count;
        var hidden = new Tensor[joining.Count]; // each [1, H]
        var unread = new Dictionary<BatchGenerator.PromptKey, int>();
        for (var i = 0; i < joining.Count; i++)
        {
            var key = new BatchGenerator.PromptKey(joining[i].Request.Ids);
            if (_known.TryGetValue(key, out var known))
                hidden[i] = Recall(known, first + i);
            else
                unread.TryAdd(key, i);
        }

        Continue(unread, joining, first, hidden);
        if (unread.Count > 0)
        {
            var (at, prompts) = (unread.Values.ToArray(), unread.Keys.Select(k => k.Ids).ToArray());
            var states = Fill([.. at.Select(i => first + i)], prompts); // [U, H]
            for (var u = 0; u < at.Length; u++)
                hidden[at[u]] = Keep(new(prompts[u]), first + at[u], states.narrow(0, u, 1));
        }

        for (var i = 0; i < joining.Count; i++)
            hidden[i] ??= Recall(_known[new(joining[i].Request.Ids)], first + i);

        _rows.AddRange(joining);
        _starts.AddRange(joining.Select(r => _column - r.Request.Ids.Count));
        Become(_hidden is null ? cat(hidden, 0) : cat([_hidden, .. hidden], 0));
        Trim();
    }

    /// <summary>
    /// Reads the prompts that begin as one that is kept does, from where they differ on, and takes them from those that are unread. A system prompt is read
    /// once in this way, whenever its requests come.
    /// </summary>
    private void Continue(Dictionary<BatchGenerator.PromptKey, int> unread, IReadOnlyList<LiveSequence> joining, int first, Tensor[] hidden)
    {
        // A kept prompt has the keys of one of LongRoPE's tables, and a longer one may need the other's.
        if (decoder.SwitchLength is not null || _recent.Count == 0)
            return;
        var parts = new List<(int Slot, long Column, int Before, int Count)>();
        var (ids, positions, at) = (new List<long>(), new List<long>(), new List<int>());
        foreach (var (key, i) in unread.ToArray())
        {
            var (kept, shared) = Closest(key.Ids);
            if (kept is null || shared < LeastShared)
                continue;
            var (slot, length) = (first + i, key.Ids.Count);
            CopyInto(kept, slot, _column - length, shared);
            parts.Add((slot, _column - length + shared, shared, length - shared));
            for (var t = shared; t < length; t++)
            {
                ids.Add(key.Ids[t]);
                positions.Add(t);
            }

            at.Add(i);
            unread.Remove(key);
        }

        if (parts.Count == 0)
            return;
        using var scope = NewDisposeScope();
        using var attention = new ContinuedAttention(decoder.Config, new KeyValueCache(_keys, _values), parts, decoder.Device);
        var states = decoder.ForwardCached(
            tensor(ids.ToArray(), device: decoder.Device),
            tensor(positions.ToArray(), device: decoder.Device),
            positions.Max(),
            attention
        ); // [N, H]
        var last = -1L;
        for (var p = 0; p < parts.Count; p++)
        {
            last += parts[p].Count;
            hidden[at[p]] = Keep(new(joining[at[p]].Request.Ids), parts[p].Slot, states.narrow(0, last, 1));
        }
    }

    /// <summary>The kept prompt that begins as some ids do for the longest way, at most up to the last of them; null where none is kept.</summary>
    private (ReadPrompt? Kept, int Shared) Closest(IReadOnlyList<int> ids)
    {
        var (best, most) = ((ReadPrompt?)null, 0);
        foreach (var prompt in _recent.Take(Compared))
        {
            var other = prompt.Key.Ids;
            var end = Math.Min(ids.Count - 1, other.Count);
            var shared = 0;
            while (shared < end && ids[shared] == other[shared])
                shared++;
            if (shared > most)
                (best, most) = (prompt, shared);
        }

        return (best, most);
    }

    /// <summary>Draws a token for every row, lets those go that are finished or abandoned, and computes the next hidden state of the others.</summary>
    public void Step()
    {
        using var scope = NewDisposeScope();
        if (_rows.Count == 0)
            return;
        Draw();
        for (var i = _rows.Count - 1; i >= 0; i--)
            if (_done[i])
                Leave(i);
        if (_rows.Count == 0)
        {
            Clear();
            return;
        }

        if (_column == _capacity)
            MakeRoom(0, _rows.Count);
        var device = decoder.Device;
        var next = tensor(_rows.Select(r => (long)r.Tokens[^1]).ToArray(), device: device);
        var positions = _rows.Select(r => (long)r.Request.Ids.Count + r.Tokens.Count - 1).ToArray();
        var cache = new KeyValueCache(Array.ConvertAll(_keys, k => k.narrow(0, 0, _rows.Count)), Array.ConvertAll(_values, v => v.narrow(0, 0, _rows.Count)));
        using var attention = new StepAttention(
            decoder.Config,
            cache,
            [.. Enumerable.Range(0, _rows.Count).Select(i => (long)i)],
            [.. Enumerable.Repeat(_column, _rows.Count)],
            device,
            [.. _starts]
        );
        var hidden = decoder.ForwardCached(next, tensor(positions, device: device), positions.Max(), attention); // [B, H]
        _column++;
        // The first position behind the switch of LongRoPE's tables: the whole sequence is read again by the other table.
        var crossing = Enumerable.Range(0, _rows.Count).Where(i => positions[i] == decoder.SwitchLength).ToArray();
        if (crossing.Length > 0)
        {
            var states = Fill(crossing, [.. crossing.Select(i => (IReadOnlyList<int>)[.. _rows[i].Request.Ids, .. _rows[i].Tokens])]);
            hidden = hidden.index_copy(0, tensor(Array.ConvertAll(crossing, i => (long)i), device: device), states);
        }

        Become(hidden);
    }

    /// <summary>Ends every row with an error.</summary>
    public void Fail(Exception error)
    {
        foreach (var row in _rows)
            row.Fail(error);
        Clear();
    }

    public void Dispose()
    {
        Clear();
        foreach (var tensor in _keys.Concat(_values))
            tensor.Dispose();
        foreach (var prompt in _recent)
            prompt.Dispose();
    }

    private bool[] _done = [];

    private void Draw()
    {
        var logits = decoder.SummedLogits(_hidden!); // [B, V]
        _done = new bool[_rows.Count];
        var groups = new List<(int[] At, Sampler.Drawn Drawn, TopTokens? Tops)>();
        // Rows that are drawn alike are drawn together, and all are read together.
        foreach (var alike in Enumerable.Range(0, _rows.Count).GroupBy(i => Alike(_rows[i].Settings)))
        {
            int[] at = [.. alike];
            var settings = _rows[at[0]].Settings;
            var chosen = at.Length == _rows.Count ? logits : logits.index_select(0, tensor(Array.ConvertAll(at, i => (long)i), device: decoder.Device));
            var drawn = Sampler.Start(
                chosen,
                settings,
                [.. at.Select(i => settings.Temperature == 0 ? 0 : _rows[i].Random.NextDouble())],
                Previous(at, settings),
                suppressed: null,
                decoder.ComputeType
            );
            groups.Add((at, drawn, Tops(chosen, at, drawn)));
        }

        var read = new Queue<double[]>(
            HostReads.Numbers([
                .. groups.SelectMany(g => (Tensor[])[.. g.Drawn.Known is null ? [g.Drawn.Ids!, g.Drawn.Logprobs!] : (Tensor[])[], .. g.Tops?.Tensors ?? []]),
            ])
        );
        foreach (var (at, drawn, tops) in groups)
        {
            var (ids, logprobs) = drawn.Known ?? Sampler.Drawn.Of([read.Dequeue(), read.Dequeue()]);
            Take(at, ids, logprobs, tops is null ? [] : tops.Read(read.Dequeue(), read.Dequeue(), read.Dequeue()));
        }
    }

    /// <param name="at">Rows.</param>
    /// <param name="ids">What each drew.</param>
    /// <param name="logprobs">Its log-probability.</param>
    /// <param name="tops">By place in the three above, for rows that ask for the likeliest tokens.</param>
    private void Take(int[] at, long[] ids, float[] logprobs, Dictionary<int, (float Logprob, IReadOnlyList<(int, float)> Top)> tops)
    {
        for (var k = 0; k < at.Length; k++)
        {
            var row = _rows[at[k]];
            if (row.IsAbandoned)
                _done[at[k]] = true;
            else if (!float.IsFinite(logprobs[k]))
            {
                row.Fail(BatchGenerator.NotFinite(row.Request, row.Tokens.Count, logprobs[k]));
                _done[at[k]] = true;
            }
            else
                _done[at[k]] = tops.TryGetValue(k, out var top) ? !row.Take((int)ids[k], top.Logprob, top.Top) : !row.Take((int)ids[k], logprobs[k], []);
        }
    }

    private static (double, int, double, double, double) Alike(SamplingSettings s) => (s.Temperature, s.TopK, s.TopP, s.MinP, s.RepetitionPenalty);

    /// <summary>For rows that ask for them: log p of the drawn token and of the likeliest ones, by the model itself.</summary>
    private TopTokens? Tops(Tensor logits, int[] at, Sampler.Drawn drawn)
    {
        int[] asking = [.. Enumerable.Range(0, at.Length).Where(k => _rows[at[k]].TopLogprobs is not null)];
        if (asking.Length == 0)
            return null;
        var most = (int)Math.Min(logits.shape[1], asking.Max(k => _rows[at[k]].TopLogprobs!.Value));
        var places = tensor(Array.ConvertAll(asking, k => (long)k), device: logits.device);
        var chosen = logits.index_select(0, places).to(ScalarType.Float32);
        var logp = nn.functional.log_softmax(chosen, -1); // [A, V]
        var ids = drawn.Known is { } known ? tensor(Array.ConvertAll(asking, k => known.Ids[k]), device: logits.device) : drawn.Ids!.index_select(0, places);
        var (values, order) = logp.topk(Math.Max(1, most), 1);
        return new(asking, [.. asking.Select(k => Math.Min(most, _rows[at[k]].TopLogprobs!.Value))], [logp.gather(1, ids.unsqueeze(1)), values, order]);
    }

    /// <summary>Likeliest tokens that were not read yet.</summary>
    /// <param name="Asking">Rows that ask for them.</param>
    /// <param name="Counts">How many each of them asks for.</param>
    /// <param name="Tensors">log p of what was drawn [A, 1], and of the likeliest [A, K]; their ids [A, K].</param>
    private sealed record TopTokens(int[] Asking, int[] Counts, Tensor[] Tensors)
    {
        internal Dictionary<int, (float Logprob, IReadOnlyList<(int, float)> Top)> Read(double[] drawn, double[] values, double[] ids)
        {
            var width = values.Length / Asking.Length;
            return Enumerable
                .Range(0, Asking.Length)
                .ToDictionary(
                    a => Asking[a],
                    a =>
                        ((float)drawn[a], (IReadOnlyList<(int, float)>)[.. Enumerable.Range(a * width, Counts[a]).Select(j => ((int)ids[j], (float)values[j]))])
                );
        }
    }

    private Tensor? Previous(int[] at, SamplingSettings settings)
    {
        if (settings.RepetitionPenalty == 1)
            return null;
        int[][] seen = [.. at.Select(i => (int[])[.. _rows[i].Request.Ids, .. _rows[i].Tokens])];
        var longest = seen.Max(s => s.Length);
        // Rows are filled up with a token of their own: a repeated index changes nothing.
        long[] flat = [.. seen.SelectMany(s => s.Concat(Enumerable.Repeat(s[0], longest - s.Length))).Select(i => (long)i)];
        return tensor(flat, at.Length, longest, device: decoder.Device);
    }

    private void Leave(int i)
    {
        var last = _rows.Count - 1;
        if (i < last)
        {
            Move(last, i, _starts[last]);
            (_rows[i], _starts[i]) = (_rows[last], _starts[last]);
        }

        _rows.RemoveAt(last);
        _starts.RemoveAt(last);
    }

    private void Clear()
    {
        _rows.Clear();
        _starts.Clear();
        _hidden?.Dispose();
        _hidden = null;
        _column = 0;
    }

    private void Become(Tensor hidden)
    {
        var next = hidden.DetachFromDisposeScope();
        _hidden?.Dispose();
        _hidden = next;
    }

    /// <summary>Copies what one slot holds from a column on to another slot.</summary>
    private void Move(int from, int to, long start)
    {
        foreach (var side in new[] { _keys, _values })
            foreach (var tensor in side)
            {
                using var source = tensor.select(0, from).narrow(0, start, _column - start);
                using var target = tensor.select(0, to).narrow(0, start, _column - start);
                target.copy_(source);
            }
    }

    /// <summary>Makes sure that so many rows, and a prompt of this length, have a place in front of a column that can be written.</summary>
    private void MakeRoom(long prompt, int rows)
    {
        var used = _rows.Count == 0 ? 0 : _column - _starts.Min();
        if (_rows.Count == 0)
            _column = Math.Min(prompt, _capacity);
        if (rows <= _slots && prompt <= _column && _column < _capacity)
            return;
        var column = Math.Max(used, prompt);
        if (rows > _slots || column + (Room / 4) > _capacity)
            (_slots, _capacity) = (Math.Max(_slots, rows <= 1 ? 1 : (rows + 7) / 8 * 8), Math.Max(_capacity, column + Room));
        foreach (var side in new[] { 0, 1 })
        {
            var old = side == 0 ? _keys : _values;
            var moved = new Tensor[decoder.Config.NumHiddenLayers];
            for (var layer = 0; layer < moved.Length; layer++)
            {
                // What lies before a prompt's first token is masked; it only has to be finite.
                moved[layer] = zeros(_slots, _capacity, decoder.Config.KeyValueWidth, dtype: decoder.ComputeType, device: decoder.Device)
                    .DetachFromDisposeScope();
                if (used == 0)
                    continue;
                using var target = moved[layer].narrow(0, 0, _rows.Count).narrow(1, column - used, used);
                using var source = old[layer].narrow(0, 0, _rows.Count).narrow(1, _column - used, used);
                target.copy_(source);
            }

            foreach (var tensor in old)
                tensor.Dispose();
            if (side == 0)
                _keys = moved;
            else
                _values = moved;
        }

        for (var i = 0; i < _starts.Count; i++)
            _starts[i] += column - _column;
        _column = column;
    }

    /// <summary>Reads whole sequences into slots, so that each ends before the column, and returns their last hidden states [U, H].</summary>
    private Tensor Fill(int[] slots, IReadOnlyList<IReadOnlyList<int>> sequences)
    {
        using var scope = NewDisposeScope();
        // Sequences of both of LongRoPE's tables share no token.
        var switches = decoder.SwitchLength is { } at && sequences.Any(p => p.Count > at) && sequences.Any(p => p.Count <= at);
        using var batch = TokenBatch.Pack(sequences, decoder.Device, switches ? 0 : int.MaxValue, decoder.SharesDeeply);
        var (cells, sources) = (new List<long>(), new List<long>());
        for (var u = 0; u < sequences.Count; u++)
            for (var t = 0; t < sequences[u].Count; t++)
            {
                cells.Add((slots[u] * _capacity) + _column - sequences[u].Count + t);
                sources.Add(batch.RowOf(u, t));
            }

        var attention = new PrefillAttention(
            decoder.Config,
            batch,
            decoder.ComputeType,
            new KeyValueCache(_keys, _values),
            tensor(cells.ToArray(), device: decoder.Device),
            tensor(sources.ToArray(), device: decoder.Device)
        );
        var last = sequences.Select((p, u) => (long)batch.RowOf(u, p.Count - 1)).ToArray();
        return decoder.ForwardCached(batch, attention).index_select(0, tensor(last, device: decoder.Device)).MoveToOuterDisposeScope();
    }

    /// <summary>Keeps a copy of a prompt that was just read. Returns its last hidden state.</summary>
    private Tensor Keep(BatchGenerator.PromptKey key, int slot, Tensor hidden)
    {
        long tokens = key.Ids.Count;
        Tensor[] Copies(Tensor[] side) => Array.ConvertAll(side, t => t.select(0, slot).narrow(0, _column - tokens, tokens).clone().DetachFromDisposeScope());
        var bytes = 2 * decoder.Config.NumHiddenLayers * tokens * decoder.Config.KeyValueWidth * (decoder.ComputeType == ScalarType.BFloat16 ? 2L : 4L);
        var prompt = new ReadPrompt(key, Copies(_keys), Copies(_values), hidden.clone().DetachFromDisposeScope(), bytes);
        _known[key] = _recent.AddFirst(prompt);
        _kept += bytes;
        return prompt.Hidden;
    }

    private Tensor Recall(LinkedListNode<ReadPrompt> node, int slot)
    {
        _recent.Remove(node);
        _recent.AddFirst(node);
        CopyInto(node.Value, slot, _column - node.Value.Key.Ids.Count, node.Value.Key.Ids.Count);
        return node.Value.Hidden;
    }

    /// <summary>Copies the first tokens of a kept prompt into a slot, from a column on.</summary>
    private void CopyInto(ReadPrompt prompt, int slot, long column, int tokens)
    {
        foreach (var (side, kept) in new[] { (_keys, prompt.Keys), (_values, prompt.Values) })
            for (var layer = 0; layer < side.Length; layer++)
            {
                using var target = side[layer].select(0, slot).narrow(0, column, tokens);
                using var source = kept[layer].narrow(0, 0, tokens);
                target.copy_(source);
            }
    }

    /// <summary>Lets the prompts go that were not asked for in the longest time.</summary>
    private void Trim()
    {
        while (_kept > KeptBytes && _recent.Last is { } oldest)
        {
            _recent.RemoveLast();
            _known.Remove(oldest.Value.Key);
            _kept -= oldest.Value.Bytes;
            oldest.Value.Dispose();
        }
    }
}
