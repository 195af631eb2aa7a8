"""What only a store in S3 does: object lock, versions, buckets that are refused, errors that tell no secrets."""

import dataclasses
import logging
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handschlag_archive.stores.port import LostBytes, Place, StoreDown
from handschlag_archive.stores.s3 import BadBucket, Bucket, Credentials, S3Store
from tests.archive.stores.test_contract import BOX, RECORDING, an_object, s3
from tests.support.broker import free_port
from tests.support.s3_servers import ACCESS_KEY, SECRET_KEY, S3Server


def _key(place: Place) -> str:
    return f"archive/{place.box}/{place.recording}/{place.name}.{place.sha256}"


def _in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _locked_until(store: S3Store, server: S3Server, place: Place) -> datetime | None:
    found = server.client().head_object(Bucket=store.where.bucket, Key=_key(place)).get("ObjectLockRetainUntilDate")
    return None if found is None else found.astimezone(UTC)


def _lock_behind_our_back(store: S3Store, server: S3Server, place: Place, until: datetime) -> None:
    server.client().put_object_retention(
        Bucket=store.where.bucket,
        Key=_key(place),
        Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
    )


@pytest.fixture
def clips(moto_server: S3Server) -> S3Store:
    """A new bucket for clips."""
    return s3(moto_server, locked=True)


def test_a_locked_clip_stays_until_its_day_and_goes_then(clips: S3Store, moto_server: S3Server) -> None:
    """Before the date neither removing nor clearing takes it, and both say so; afterwards it goes."""
    (locked, content), (free, _) = objects = [an_object(), an_object("000002.clip")]
    clips.put(objects)
    clips.protect([locked], _in_days(30))
    assert clips.remove([locked, free]) == [locked]
    assert clips.clear(BOX, RECORDING) == [locked]
    assert clips.get(locked) == content
    assert clips.places(BOX, RECORDING) == [locked]
    _lock_behind_our_back(clips, moto_server, locked, _in_days(-1))  # the day has come
    assert clips.clear(BOX, RECORDING) == []
    assert not clips.places(BOX, RECORDING)


def test_a_lock_grows_longer_and_never_shorter(clips: S3Store, moto_server: S3Server) -> None:
    """A later date extends, an earlier one leaves the lock as it is."""
    place, content = an_object()
    clips.put([(place, content)])
    clips.protect([place], _in_days(10))
    first = _locked_until(clips, moto_server, place)
    clips.protect([place], _in_days(20))
    second = _locked_until(clips, moto_server, place)
    clips.protect([place], _in_days(5))
    assert first is not None
    assert second is not None
    assert timedelta(days=9) < second - first < timedelta(days=11)
    assert _locked_until(clips, moto_server, place) == second


def test_the_lock_is_one_that_nobody_can_lift(clips: S3Store, moto_server: S3Server) -> None:
    """Mode COMPLIANCE: GOVERNANCE could be lifted by whoever has the right credentials."""
    place, content = an_object()
    clips.put([(place, content)])
    clips.protect([place], _in_days(10))
    head = moto_server.client().head_object(Bucket=clips.where.bucket, Key=_key(place))
    assert head["ObjectLockMode"] == "COMPLIANCE"


def test_every_version_is_locked_and_every_version_removed(clips: S3Store, moto_server: S3Server) -> None:
    """An object that was put twice has two versions: none may be left open, none left over."""
    place, content = an_object()
    clips.put([(place, content)])
    clips.put([(place, content)])
    clips.protect([place], _in_days(10))
    client, bucket = moto_server.client(), clips.where.bucket
    versions = client.list_object_versions(Bucket=bucket)["Versions"]
    heads = [client.head_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]) for one in versions]
    assert [head.get("ObjectLockMode") for head in heads] == ["COMPLIANCE", "COMPLIANCE"]
    other, content = an_object("000002.clip")
    clips.put([(other, content)])
    clips.put([(other, content)])
    client.delete_object(Bucket=bucket, Key=_key(other))
    clips.remove([other])
    left = client.list_object_versions(Bucket=bucket)
    assert {one["Key"] for one in left["Versions"]} == {_key(place)}
    assert not left.get("DeleteMarkers")


def test_what_is_absent_cannot_be_locked_and_that_is_said(clips: S3Store, moto_server: S3Server) -> None:
    """A recording is not called protected when one of its clips is not there; the others are locked all the same."""
    place, content = an_object()
    clips.put([(place, content)])
    with pytest.raises(LostBytes, match="1 cannot be locked"):
        clips.protect([place, an_object("000002.clip")[0]], _in_days(10))
    assert _locked_until(clips, moto_server, place) is not None


@pytest.mark.parametrize("how", ["other bytes", "deleted"])
def test_an_earlier_version_is_taken_where_somebody_was_at_the_last(
    clips: S3Store, moto_server: S3Server, how: str
) -> None:
    """Whoever holds the credentials can put something over a locked clip, or hide it; it is still found."""
    place, content = an_object()
    clips.put([(place, content)])
    if how == "deleted":
        moto_server.client().delete_object(Bucket=clips.where.bucket, Key=_key(place))
    else:
        moto_server.client().put_object(Bucket=clips.where.bucket, Key=_key(place), Body=b"something else")
    assert clips.get(place) == content
    assert [kept.place for kept in clips.inventory()] == [place]


def test_altered_bytes_are_lost_bytes(moto_server: S3Server) -> None:
    """Where there are no versions, altered bytes are said to be lost, so that the box or a copy can help."""
    keys = s3(moto_server, locked=False)
    place, content = an_object("keys.json")
    keys.put([(place, content)])
    moto_server.client().put_object(Bucket=keys.where.bucket, Key=_key(place), Body=b"something else")
    with pytest.raises(LostBytes, match="bytes have changed"):
        keys.get(place)


@pytest.mark.parametrize(
    ("holds_clips", "made_for_clips", "then_versioned", "says"),
    [
        (True, False, False, r"must be versioned, with object lock; it has versioning off and object lock off"),
        (True, False, True, r"versioning Enabled and object lock off"),
        (False, True, False, r"never versioned and has no object lock.*Enabled and object lock on"),
        (False, False, True, r"never versioned.*versioning Enabled and object lock off"),
    ],
)
def test_a_bucket_that_is_not_as_it_must_be_is_refused(
    moto_server: S3Server,
    *,
    holds_clips: bool,
    made_for_clips: bool,
    then_versioned: bool,
    says: str,
) -> None:
    """Keys that cannot be destroyed, or clips that anyone can: nothing is ever put into such a bucket."""
    made = s3(moto_server, locked=made_for_clips)
    client = moto_server.client()
    if then_versioned:
        client.put_bucket_versioning(Bucket=made.where.bucket, VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(_with(made.where, locked=holds_clips))
    with pytest.raises(BadBucket, match=says):
        store.check()
    with pytest.raises(BadBucket, match=says):
        store.put([an_object()])
    assert not client.list_object_versions(Bucket=made.where.bucket).get("Versions")


def test_a_bucket_whose_versioning_was_only_suspended_is_refused_for_keys(moto_server: S3Server) -> None:
    """Suspending leaves what was versioned before; keys may still lie there."""
    made = s3(moto_server, locked=False)
    for status in ("Enabled", "Suspended"):
        moto_server.client().put_bucket_versioning(Bucket=made.where.bucket, VersioningConfiguration={"Status": status})
    with pytest.raises(BadBucket, match="versioning Suspended"):
        S3Store(made.where).check()


def test_a_service_without_locks_is_refused_for_clips(rclone_server: S3Server) -> None:
    """A service that makes a bucket without the lock that was asked for is not believed."""
    with pytest.raises(BadBucket, match="object lock off"):
        s3(rclone_server, locked=True)


def test_a_bucket_that_becomes_versioned_later_is_noticed(moto_server: S3Server) -> None:
    """Somebody turns versioning on while the archive runs: hiding a key is never taken for removing it."""
    keys = s3(moto_server, locked=False)
    place, content = an_object("keys.json")
    keys.put([(place, content)])
    moto_server.client().put_bucket_versioning(Bucket=keys.where.bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(BadBucket, match="versioned now"):
        keys.remove([place])
    with pytest.raises(BadBucket, match="versioning Enabled"):
        keys.put([an_object("keys.json")])


def test_a_key_put_where_it_can_never_be_removed_is_not_called_kept(moto_server: S3Server) -> None:
    """The service says with the put that it made a version: an error, and the bucket is looked at again."""
    keys = s3(moto_server, locked=False)
    keys.check()
    moto_server.client().put_bucket_versioning(Bucket=keys.where.bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(BadBucket, match="versioned now"):
        keys.put([an_object("keys.json")])


def test_what_cannot_be_removed_for_another_reason_than_a_lock_is_an_error(
    clips: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to delete nothing is removed, and nothing is called kept by a lock that there is not."""
    place, content = an_object()
    clips.put([(place, content)])

    def denied(**asked: Any) -> dict[str, Any]:
        return {"Errors": [{**one, "Code": "AccessDenied"} for one in asked["Delete"]["Objects"]]}

    monkeypatch.setattr(clips._client, "delete_objects", denied)
    with pytest.raises(StoreDown, match="DeleteObjects: AccessDenied"):
        clips.remove([place])


def test_a_refused_read_is_an_outage_and_no_lost_bytes(rclone_server: S3Server) -> None:
    """A key that was withdrawn while the archive runs: the index must not forget what it cannot read for a while."""
    made = s3(rclone_server, locked=False)
    place, content = an_object()
    made.put([(place, content)])
    store = S3Store(_with(made.where, credentials=Credentials(ACCESS_KEY, "not-the-secret")))
    store._is_checked = True
    with pytest.raises(StoreDown, match="GetObject: SignatureDoesNotMatch"):
        store.get(place)


def test_an_absent_bucket_is_named_with_what_to_do(moto_server: S3Server) -> None:
    """A mistyped name is an error of the settings, not an outage that is waited for."""
    store = S3Store(_with(s3(moto_server, locked=True).where, bucket="never-made"))
    with pytest.raises(BadBucket, match=r"never-made.*no such bucket; .*buckets --create"):
        store.put([an_object()])


def test_creating_twice_is_no_error(clips: S3Store) -> None:
    """The command may be given again."""
    assert clips.create() is False


def test_a_server_that_does_not_answer_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens, nothing comes back, or the key is wrong: StoreDown, in bounded time, without any secret."""
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoints = [f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{silent.getsockname()[1]}"]
        for endpoint in endpoints:
            store = S3Store(_with(_nowhere(endpoint), attempts=2, connect_timeout_s=0.3, read_timeout_s=0.3))
            with pytest.raises(StoreDown, match=r"GetBucketVersioning: \w+(Error|Timeout)") as caught:
                store.put([an_object()])
            assert SECRET_KEY not in repr(caught.getrepr(showlocals=False)) + caplog.text
            assert isinstance(caught.value, OSError)


def test_wrong_credentials_are_an_error_without_them(rclone_server: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    """A refused key is named by the service's code; neither half of it is in the error or in any log."""
    caplog.set_level(logging.DEBUG)
    made = s3(rclone_server, locked=False)
    wrong = Credentials(ACCESS_KEY, "not-the-secret")
    store = S3Store(_with(made.where, credentials=wrong))
    with pytest.raises(StoreDown, match=r"^s3://\S+ at \S+: GetBucketVersioning: SignatureDoesNotMatch$") as caught:
        store.put([an_object()])
    said = str(caught.value) + repr(store.where) + caplog.text
    assert "not-the-secret" not in said
    assert ACCESS_KEY not in said


def test_each_put_carries_its_hash_for_the_service_to_compare(clips: S3Store) -> None:
    """The service refuses bytes that were damaged on the way: it is told the SHA-256 with each object."""
    sent: list[dict[str, Any]] = []
    clips._client.meta.events.register(
        "before-call.s3.PutObject", lambda params, **_rest: sent.append(dict(params["headers"]))
    )
    content = os.urandom(100)
    place, _ = an_object()
    clips.put([(Place(place.box, place.recording, place.name, "ab" * 32), content)])
    assert sent[0]["x-amz-checksum-sha256"] == "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="


def test_what_is_not_ours_is_left_alone(clips: S3Store, moto_server: S3Server) -> None:
    """Other objects in the bucket, under our prefix or not, are no objects of the archive."""
    client = moto_server.client()
    for key in ("other/thing", "archive/readme.txt", f"archive/{BOX}/{RECORDING}/no-hash"):
        client.put_object(Bucket=clips.where.bucket, Key=key, Body=b"x")
    assert not list(clips.inventory())
    assert not clips.places(BOX, RECORDING)


def _nowhere(endpoint: str) -> Bucket:
    return Bucket(
        bucket="clips",
        locked=True,
        endpoint=endpoint,
        region="eu-central-1",
        path_style=True,
        credentials=Credentials(ACCESS_KEY, SECRET_KEY),
    )


def _with(where: Bucket, **changes: Any) -> Bucket:
    return dataclasses.replace(where, **changes)
