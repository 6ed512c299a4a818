using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Store;

/// <summary>
/// What people wrote is never deleted: their labels of transcripts that go are kept aside, with what was labelled, and come back with the same transcript.
/// </summary>
public sealed partial class RunStore
{
    /// <summary>Detectors of this name are people.</summary>
    public const string RaterPrefix = "rater:";

    private const string Gone = "transcript";
    private const string Replaced = "replaced";

    /// <summary>How many labels of each person are kept aside, all stages and steps together.</summary>
    public IReadOnlyDictionary<string, int> LabelsAside() =>
        Scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'labels_aside'") is 0L
            ? new Dictionary<string, int>()
            : Rows("SELECT detector, COUNT(*) FROM labels_aside GROUP BY detector", r => (r.GetString(0), r.GetInt32(1))).ToDictionary();

    /// <summary>
    /// Writes a person's labels in place of earlier ones of the same transcripts. Those that said something else are kept aside; returns their number.
    /// </summary>
    public int ReplaceLabels(IReadOnlyCollection<LabelRow> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        var replaced = 0;
        Transaction(() =>
        {
            foreach (var l in labels)
            {
                (string, object?)[] key = [("$id", l.TranscriptId), ("$detector", l.Detector), ("$version", l.DetectorVersion)];
                const string Where = "WHERE l.transcript_id = $id AND l.detector = $detector AND l.version = $version";
                var before = Rows(
                    $"SELECT l.outcome, l.reasoning_kind FROM labels l {Where}",
                    r => (StoredWord.Read<Outcome>(r.GetString(0)), StoredWord.Read<ReasoningKind>(r.GetString(1))),
                    key
                );
                if (before.Count > 0 && before[0] != (l.Outcome, l.Reasoning))
                {
                    KeepAside(Replaced, Where, key);
                    replaced++;
                }

                Execute($"DELETE FROM labels AS l {Where}", key);
            }

            WriteLabels(labels);
        });
        return replaced;
    }

    private void KeepLabelsAside((string, object?)[] which) => KeepAside(Gone, $"{ToDelete} AND l.detector LIKE '{RaterPrefix}%'", which);

    private void KeepAside(string why, string where, (string, object?)[] parameters) =>
        Execute(
            $"""
            INSERT INTO labels_aside (why, time, stage, step, transcript_id, user, assistant_text, detector, version, outcome, reasoning_kind, af, score)
            SELECT $why, $time, t.stage, t.step, t.transcript_id, t.user, t.assistant_text, l.detector, l.version, l.outcome, l.reasoning_kind, l.af, l.score
            FROM labels l JOIN transcripts t ON t.transcript_id = l.transcript_id {where}
            """,
            [.. parameters, ("$why", why), ("$time", Now())]
        );

    /// <summary>Gives the transcripts of a step the labels that people gave them before; returns whose came back, and whose did not.</summary>
    private PeoplesLabels CarryLabels(StepBatch batch)
    {
        (string, object?)[] step = [("$stage", batch.Stage), ("$step", batch.Step), ("$why", Gone)];
        if (Rows("SELECT 1 FROM labels_aside WHERE stage = $stage AND step = $step AND why = $why LIMIT 1", _ => 1, step).Count == 0)
            return PeoplesLabels.None;
        // The newest label of a person counts, where one transcript was labelled, deleted and labelled again.
        var back = Rows(
            """
            SELECT a.id, a.detector FROM labels_aside a
            JOIN transcripts t ON t.transcript_id = a.transcript_id AND t.user = a.user AND t.assistant_text = a.assistant_text
            WHERE a.stage = $stage AND a.step = $step AND a.why = $why
            AND a.id = (SELECT MAX(b.id) FROM labels_aside b WHERE b.transcript_id = a.transcript_id AND b.detector = a.detector AND b.version = a.version
            AND b.user = a.user AND b.assistant_text = a.assistant_text AND b.why = $why)
            AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.transcript_id = a.transcript_id AND l.detector = a.detector AND l.version = a.version)
            """,
            r => (Id: r.GetInt64(0), Rater: r.GetString(1)),
            step
        );
        foreach (var (id, _) in back)
        {
            Execute(
                "INSERT INTO labels SELECT transcript_id, detector, version, outcome, reasoning_kind, af, score FROM labels_aside WHERE id = $id",
                ("$id", id)
            );
            Execute("DELETE FROM labels_aside WHERE id = $id", ("$id", id));
        }

        return new(
            PeoplesLabels.Counts(back.Select(b => b.Rater)),
            RatersOf("SELECT l.detector FROM labels_aside l WHERE l.stage = $stage AND l.step = $step AND l.why = 'transcript'", batch.Stage, batch.Step, null)
        );
    }

    private IReadOnlyList<(string Rater, int Labels)> RatersOf(string sql, string stage, long step, string? condition) =>
        PeoplesLabels.Counts(
            Rows($"{sql} AND l.detector LIKE '{RaterPrefix}%'", r => r.GetString(0), ("$stage", stage), ("$step", step), ("$condition", condition))
        );
}

/// <summary>What became of people's labels when transcripts were written again.</summary>
/// <param name="Carried">Labels that are on the same transcripts again, by rater.</param>
/// <param name="Aside">Labels whose transcripts are not there, kept in the table <c>labels_aside</c>, by rater.</param>
public sealed record PeoplesLabels(IReadOnlyList<(string Rater, int Labels)> Carried, IReadOnlyList<(string Rater, int Labels)> Aside)
{
    public static PeoplesLabels None { get; } = new([], []);

    internal static IReadOnlyList<(string Rater, int Labels)> Counts(IEnumerable<string> raters) =>
        [.. raters.GroupBy(r => r, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (g.Key, g.Count()))];

    /// <summary>The counts in words, for use in a sentence: <c>10 labels by rater:anna</c>.</summary>
    public static string Words(IReadOnlyList<(string Rater, int Labels)> counts) =>
        string.Join(" and ", (counts ?? []).Select(c => $"{c.Labels} label{(c.Labels == 1 ? "" : "s")} by {c.Rater[RunStore.RaterPrefix.Length..]}"));
}
