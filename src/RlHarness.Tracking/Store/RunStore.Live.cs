using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Store;

/// <summary>What a page that looks on while a run goes on asks again and again.</summary>
public sealed partial class RunStore
{
    /// <summary>Another number after each commit of another process; costs next to nothing.</summary>
    public long DataVersion => Rows("PRAGMA data_version", r => r.GetInt64(0))[0];

    /// <summary>Detectors that have figures, by name.</summary>
    public IReadOnlyList<string> SummaryDetectors() => Rows("SELECT DISTINCT detector FROM summaries ORDER BY detector", r => r.GetString(0));

    /// <summary>
    /// Transcripts that a filter lets through, the ones written last first. At most <see cref="LiveFilter.Window"/> transcripts are looked at, so that a search
    /// that finds little answers as fast as any; <see cref="LivePage.Next"/> says where to go on.
    /// </summary>
    public LivePage Newest(LiveFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        // One aggregate each: both in one query would read the whole table.
        var (least, most) = Rows("SELECT (SELECT MIN(rowid) FROM transcripts), (SELECT MAX(rowid) FROM transcripts)", r =>
            r.IsDBNull(0) ? (0, -1) : (r.GetInt64(0), r.GetInt64(1))
        )[0];
        var before = Math.Min(filter.Before ?? long.MaxValue, most + 1);
        var floor = Math.Max(least, before - filter.Window);
        var found = Rows(
            """
            SELECT t.stage, t.step, t.split, t.tier, t.query_id, t.sample, t.condition, '', t.user, t.assistant_text, t.reasoning, t.output, t.format_problem,
            t.finish_reason, NULL, NULL, t.rewards, t.prompt, t.transcript_id, t.rowid FROM transcripts t
            WHERE t.rowid < $before AND t.rowid >= $floor
            AND ($stage IS NULL OR t.stage = $stage) AND ($split IS NULL OR t.split = $split) AND ($tier IS NULL OR t.tier = $tier)
            AND ($outcome IS NULL AND $af IS NULL OR EXISTS (SELECT 1 FROM labels l WHERE l.transcript_id = t.transcript_id
            AND ($detector IS NULL OR l.detector = $detector) AND ($outcome IS NULL OR l.outcome = $outcome) AND ($af IS NULL OR l.af = $af)))
            AND ($text IS NULL OR instr(lower(t.assistant_text), lower($text)) > 0 OR instr(lower(t.user), lower($text)) > 0)
            ORDER BY t.rowid DESC LIMIT $count
            """,
            r => (Row: ReadTranscript(r), Id: r.GetInt64(19)),
            ("$before", before),
            ("$floor", floor),
            ("$stage", filter.Stage),
            ("$split", StoredWord.Of(filter.Split)),
            ("$tier", StoredWord.Of(filter.Tier)),
            ("$detector", filter.Detector),
            ("$outcome", StoredWord.Of(filter.Outcome)),
            (
                "$af",
                filter.AlignmentFaking is { } af
                    ? af
                        ? 1
                        : 0
                    : null
            ),
            ("$text", string.IsNullOrEmpty(filter.Text) ? null : filter.Text),
            ("$count", filter.Count)
        );
        var next = found.Count == filter.Count ? found[^1].Id : floor;
        return new(
            [.. found.Select(f => (f.Row, LabelsOf(f.Row.Id)))],
            next > least ? next : null,
            most < least ? 0 : (found.Count == filter.Count ? before - found[^1].Id : before - floor)
        );
    }

    private List<LabelRow> LabelsOf(string id) =>
        Rows(
            "SELECT transcript_id, detector, version, outcome, reasoning_kind, af, score FROM labels WHERE transcript_id = $id",
            r => new LabelRow(
                r.GetString(0),
                r.GetString(1),
                r.GetString(2),
                StoredWord.Read<Outcome>(r.GetString(3)),
                StoredWord.Read<ReasoningKind>(r.GetString(4)),
                r.GetInt64(5) != 0,
                Number(r, 6)
            ),
            ("$id", id)
        );
}

/// <summary>Which of the newest transcripts to show; null means any.</summary>
/// <param name="Text">To be found in the request or the answer; the case of ASCII letters does not count.</param>
/// <param name="Detector">Whose labels <paramref name="Outcome"/> and <paramref name="AlignmentFaking"/> mean; null: anybody's.</param>
/// <param name="Before">Where an earlier page said to go on; null: from the newest.</param>
public sealed record LiveFilter(
    string? Stage = null,
    Split? Split = null,
    Tier? Tier = null,
    string? Detector = null,
    Outcome? Outcome = null,
    bool? AlignmentFaking = null,
    string? Text = null,
    long? Before = null,
    int Count = 20,
    int Window = 20_000
);

/// <summary>A page of transcripts with their labels. Prompts of the system and tokens are left out.</summary>
/// <param name="Next">Where to go on; null at the oldest.</param>
/// <param name="LookedAt">How many transcripts were looked at.</param>
public sealed record LivePage(IReadOnlyList<(TranscriptRow Row, IReadOnlyList<LabelRow> Labels)> Found, long? Next, long LookedAt);
