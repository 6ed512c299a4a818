using RlHarness.Core.Randomness;
using RlHarness.Models.Generation;
using RlHarness.Training.Collectives;

namespace RlHarness.Training.Rollouts;

/// <summary>
/// Generation by several ranks: each answers its prompts, and all of them get all answers. An answer's random stream has the name of its prompt and sample, so
/// that it is the same whichever rank gives it.
/// </summary>
internal static class SharedGeneration
{
    private const string What = "answers";

    /// <summary>As <see cref="BatchGenerator.Generate"/>; where a rank is asked to stop, what there is stands in <paramref name="answers"/>.</summary>
    /// <param name="answers">Those that the first rank knows; what the others give is not read.</param>
    internal static IReadOnlyList<GeneratedSequence> Generate(
        BatchGenerator generator,
        Ranks ranks,
        IReadOnlyList<GenerationRequest> requests,
        SamplingSettings settings,
        Seeds seeds,
        long step,
        Action<int>? onFinished,
        IDictionary<int, GeneratedSequence>? answers
    )
    {
        var own = Shares(requests, ranks.Size)[ranks.Rank];
        var given = new Dictionary<int, GeneratedSequence>();
        if (answers is not null)
        {
            var known = Read(ranks.FromFirst("known answers", () => Write(answers.Keys.Order(), i => answers[i])), requests);
            for (var k = 0; k < own.Count; k++)
                if (known.TryGetValue(own[k], out var answer))
                    given[k] = answer;
        }

        var stopped = false;
        var parts = ranks.Gather(
            What,
            () =>
            {
                try
                {
                    if (own.Count > 0)
                        _ = generator.Generate([.. own.Select(i => requests[i])], settings, seeds, step, Finished, ranks.Asked, given);
                }
                catch (OperationCanceledException)
                {
                    stopped = true;
                }

                return Write(Enumerable.Range(0, own.Count).Where(given.ContainsKey), k => given[k], k => own[k], stopped);
            }
        );
        var all = new Dictionary<int, GeneratedSequence>();
        foreach (var part in parts)
        {
            stopped |= part[0] != 0;
            foreach (var (i, answer) in Read(part, requests))
            {
                all[i] = answer;
                answers?[i] = answer;
            }
        }

        return stopped ? throw ranks.Stopped() : [.. Enumerable.Range(0, requests.Count).Select(i => all[i])];

        // What the others have finished is not known before the end: about as much in proportion.
        void Finished(int n)
        {
            if (answers is not null)
                foreach (var (k, answer) in given)
                    answers.TryAdd(own[k], answer);
            onFinished?.Invoke((int)((long)n * requests.Count / own.Count));
        }
    }

    /// <summary>Places of the requests by rank. The samples of a prompt stay together, and prompts of like length are spread.</summary>
    internal static IReadOnlyList<IReadOnlyList<int>> Shares(IReadOnlyList<GenerationRequest> requests, int ranks)
    {
        var shares = Enumerable.Range(0, ranks).Select(_ => new List<int>()).ToArray();
        var at = 0;
        var prompts = Enumerable
            .Range(0, requests.Count)
            .GroupBy(i => requests[i].Prompt)
            .OrderByDescending(g => requests[g.First()].Ids.Count)
            .ThenBy(g => g.First());
        foreach (var prompt in prompts)
        {
            // There and back, so that no rank has the longer one of each pair.
            var (round, place) = (at / ranks, at % ranks);
            shares[round % 2 == 0 ? place : ranks - 1 - place].AddRange(prompt);
            at++;
        }

        return [.. shares.Select(s => (IReadOnlyList<int>)[.. s.Order()])];
    }

    private static byte[] Write(IEnumerable<int> keys, Func<int, GeneratedSequence> answer, Func<int, int>? place = null, bool stopped = false)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(stopped);
        foreach (var key in keys)
        {
            var a = answer(key);
            writer.Write(place?.Invoke(key) ?? key);
            writer.Write((byte)a.Finish);
            writer.Write(a.Tokens.Count);
            foreach (var token in a.Tokens)
                writer.Write(token);
            foreach (var logprob in a.Logprobs)
                writer.Write(logprob);
        }

        writer.Flush();
        return stream.ToArray();
    }

    private static Dictionary<int, GeneratedSequence> Read(byte[] bytes, IReadOnlyList<GenerationRequest> requests)
    {
        var answers = new Dictionary<int, GeneratedSequence>();
        using var reader = new BinaryReader(new MemoryStream(bytes));
        reader.ReadBoolean();
        while (reader.BaseStream.Position < bytes.Length)
        {
            var (i, finish, count) = (reader.ReadInt32(), (FinishReason)reader.ReadByte(), reader.ReadInt32());
            var tokens = new int[count];
            var logprobs = new float[count];
            for (var t = 0; t < count; t++)
                tokens[t] = reader.ReadInt32();
            for (var t = 0; t < count; t++)
                logprobs[t] = reader.ReadSingle();
            answers.Add(i, new GeneratedSequence(requests[i], tokens, logprobs, finish));
        }

        return answers;
    }
}
